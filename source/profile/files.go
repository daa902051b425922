package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
)

// files are the two files, merged: where both define a key of a profile, the credentials file wins, and
// [profile default] hides [default].
type files struct {
	config, credentials version

	model    model
	sections map[string]*section
	problems []error             // what cannot be read, in order of the lines; the first of each section
	lost     []lost              // lines that belong to no section, by file
	stray    map[string]position // headers without a meaning in their file, perhaps meant as profiles
	indents  map[string]indent   // headers that are indented, so that they continue a property
}

func newFiles(config, credentials location) *files {
	return &files{
		config: version{location: config}, credentials: version{location: credentials},
		model: newModel(), sections: map[string]*section{},
		stray: map[string]position{}, indents: map[string]indent{},
	}
}

// section is a profile, an sso-session or a services section. A nil one has no keys.
type section struct {
	kind, name string   // "profile" and "default", say
	position   position // where it begins; in the config file if it is in both
	listed     bool     // the AWS SDKs list its name, or it is in quotes
	err        error    // what cannot be read. The section may then lack keys, and is not used

	values    values
	positions map[string]position // of the keys
	indents   map[string]indent   // keys that are indented, so that they continue another one
}

// property is a key of a section. The zero property is one without a value.
type property struct {
	key      string // in lower case
	value    stschain.Secret
	position position
	section  string
}

// position is a line of a file, from 1.
type position struct {
	file string
	line int
}

func (p position) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// lost are the lines of a file outside of any section: the error of the first, and the text of those that may be headers.
type lost struct {
	err  error
	text stschain.Secret
}

// indent is a line that looks like a header or a property, but continues another line.
type indent struct {
	position
	of int // the line that it continues
}

func (i indent) String() string {
	return fmt.Sprintf("line %d of %s is indented, so it continues line %d: remove the white space before it", i.line, i.file, i.of)
}

// sectionName is the name of a section in the model.
func sectionName(kind, name string) string { return kind + " " + name }

// enter returns the section, which is added if it is not there.
func (f *files) enter(kind, name string, at position) (*section, error) {
	full := sectionName(kind, name)
	if s := f.sections[full]; s != nil {
		return s, nil
	}
	values, err := f.model.newSection(full)
	if err != nil {
		return nil, err
	}
	s := &section{
		kind: kind, name: name, position: at, values: values,
		positions: map[string]position{}, indents: map[string]indent{},
	}
	f.sections[full] = s
	return s, nil
}

// find returns the section, nil if there is none. It returns an error if a line
// that cannot be read is, or may be, part of it.
func (f *files) find(kind, name string) (*section, error) {
	s := f.sections[sectionName(kind, name)]
	if s != nil && s.err != nil {
		return nil, s.err
	}
	for _, lost := range f.lost {
		if s == nil || strings.Contains(lost.text.Reveal(), name) {
			return nil, lost.err
		}
	}
	return s, nil
}

// get returns the property of that key.
func (s *section) get(key string) *property {
	if s == nil {
		return &property{}
	}
	value, ok := s.values.value(key)
	if !ok {
		return &property{}
	}
	return &property{key, stschain.NewSecret(value), s.positions[key], s.String()}
}

// has reports whether one of the keys has a value.
func (s *section) has(keys ...string) bool { return s.first(keys...).isSet() }

// first returns the first property that has a value.
func (s *section) first(keys ...string) *property {
	for _, key := range keys {
		if p := s.get(key); p.isSet() {
			return p
		}
	}
	return &property{}
}

// sub returns a sub-property, if the value of a key consists of lines below it.
func (s *section) sub(key, name string) *property {
	p := s.get(key)
	for line := range strings.Lines(p.text()) {
		k, value, _ := strings.Cut(withoutComment(strings.TrimSpace(line)), "=")
		value = strings.TrimSpace(value)
		if strings.EqualFold(strings.TrimSpace(k), name) && value != "" {
			return &property{key + "." + name, stschain.NewSecret(value), p.position, p.section}
		}
	}
	return &property{}
}

// String returns the name of the section in the model.
func (s *section) String() string { return sectionName(s.kind, s.name) }

func (s *section) errorf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf("profile: %s: [%s]: %s", s.position, s, fmt.Sprintf(format, args...)))
}

func (p *property) isSet() bool { return !p.value.IsZero() }

func (p *property) text() string { return p.value.Reveal() }

// errorf is an error about the property. It must not show values that may be secrets.
func (p *property) errorf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf("profile: %s: %s", p.origin(), fmt.Sprintf(format, args...)))
}

func (p *property) origin() string { return fmt.Sprintf("%s: [%s] %s", p.position, p.section, p.key) }

// missing reports whether there is no such file. That includes a path below a regular file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// refused reports whether this program may not open the file, or it is a directory: docker makes one where it
// mounts a file that does not exist. A program that does not need the file continues. Any other failure, such as
// too many open files (EMFILE), says nothing about the file, and must not switch the identity.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR) || errors.Is(err, system.ErrDirectory)
}

// refused returns the default file that exists and cannot be opened, nil if there is none.
func (f *files) refused() *version {
	for _, v := range []*version{&f.config, &f.credentials} {
		if refused(v.absent) {
			return v
		}
	}
	return nil
}

// places names both files, and says which does not exist or cannot be opened.
func (f *files) places() string {
	if f.config.path == "" && f.credentials.path == "" {
		return "any file, since there is no home directory to look in"
	}
	var names []string
	for _, v := range []version{f.config, f.credentials} {
		name := v.path
		switch {
		case name == "":
			name = "a home directory (there is none)"
		case missing(v.absent):
			name += " (which does not exist)"
		case v.absent != nil:
			name += fmt.Sprintf(" (which cannot be opened: %v)", v.absent)
		}
		names = append(names, name)
	}
	return strings.Join(names, " and ")
}

// profiles returns the names of the listed profiles, sorted.
func (f *files) profiles() (names []string) {
	for _, s := range f.sections {
		if s.kind == kindProfile && s.listed {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return names
}

// hint says where a profile that was not found may be, if its header has another meaning.
func (f *files) hint(name string) string {
	if at, ok := f.indents[sectionName(kindProfile, name)]; ok {
		return fmt.Sprintf("; the header of the profile in %v", at)
	}
	for _, header := range slices.Sorted(maps.Keys(f.stray)) {
		at := f.stray[header]
		bare, _ := unquote(header)
		kind, inConfig, _ := configSection(header)
		switch {
		case at.file == f.config.path && (bare == name || header == name):
			return fmt.Sprintf("; %s has [%s], which in this file must be [profile %s]", at, header, quoted(name))
		case at.file == f.credentials.path && (kind == kindProfile && inConfig == name || bare == name):
			return fmt.Sprintf("; %s has [%s], which in this file must be [%s]", at, header, name)
		}
	}
	return didYouMean(name, f.profiles())
}

// indented says which of the missing keys is present but read as a continuation.
func (s *section) indented(keys ...string) string {
	for _, key := range keys {
		if at, ok := s.indents[key]; ok {
			return fmt.Sprintf("; %s in %v", key, at)
		}
	}
	return ""
}

// continued says which line continues the property, perhaps by mistake.
func (s *section) continued(p *property) string {
	for _, at := range s.indents {
		if at.file == p.position.file && at.of == p.position.line {
			return fmt.Sprintf("; %v", at)
		}
	}
	return ""
}
