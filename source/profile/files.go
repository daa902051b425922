package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/ini.v1"

	"github.com/stschain-go/stschain"
)

// Files are what the two files say, merged: where both define a key of a profile, the
// credentials file wins, and [profile default] keeps out [default].
type Files struct {
	Config, Credentials string // the paths, also of files that are not there

	sections map[string]*Section // by kind and name
	missing  []location          // of the files that are not there
	refused  []refusal           // default files that are there, and cannot be opened
	problems []error
	lost     []lost
	stray    map[string]Position // sections that mean nothing, which may be meant for profiles
	indents  map[string]indent   // sections that are none, since they are indented
}

// refusal is why a file cannot be opened.
type refusal struct {
	location
	reason error
}

// lost are the lines of a file that belong to no section.
type lost struct {
	err  error
	text stschain.Secret
}

// Position is a line of a file.
type Position struct {
	File string
	Line int // from 1
}

// String returns the file and the line as compilers do.
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Section is a profile, an sso-session or a services section.
type Section struct {
	Kind, Name string   // "profile" and "default", say
	Position   Position // where it begins; in the config file if it is in both

	properties map[string]Property
	listed     bool
	err        error
	indents    map[string]indent // keys that are none, since they are indented
}

// Property is a key of a section. Its value does not print, since it may be a secret.
type Property struct {
	Key      string // in lower case
	Value    stschain.Secret
	Position Position
	section  string
}

// Profile returns the profile of that name, nil if there is none. It also finds profiles that
// Profiles does not list.
func (f *Files) Profile(name string) *Section { return f.sections[sectionName(kindProfile, name)] }

// SSOSession returns the sso-session of that name, nil if there is none.
func (f *Files) SSOSession(name string) *Section {
	return f.sections[sectionName(kindSSOSession, name)]
}

// Services returns the services section of that name, nil if there is none.
func (f *Files) Services(name string) *Section { return f.sections[sectionName(kindServices, name)] }

// Problems returns what cannot be read, in order of the lines, for each section the first.
func (f *Files) Problems() []error { return slices.Clone(f.problems) }

// Profiles returns the names of all profiles, sorted. A name with white space counts if the header in
// the config file has it in quotes.
func (f *Files) Profiles() []string {
	var names []string
	for _, s := range f.sections {
		if s.Kind == kindProfile && s.listed {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Err returns what is wrong with the section, nil if nothing is. If something is, it may lack keys,
// and a [Provider] returns the error instead of using it.
func (s *Section) Err() error {
	if s == nil {
		return nil
	}
	return s.err
}

// Keys returns the keys of the section, sorted.
func (s *Section) Keys() []string { return slices.Sorted(maps.Keys(s.properties)) }

// Property returns the property of that key; a key that is not there, or has no value, has
// none. A nil Section has no keys.
func (s *Section) Property(key string) (Property, bool) {
	if s == nil {
		return Property{}, false
	}
	p, ok := s.properties[key]
	return p, ok && !p.Value.IsZero()
}

// value is that of a key, "" if it has none.
func (s *Section) value(key string) string {
	p, _ := s.Property(key)
	return p.text()
}

// has reports whether one of the keys has a value.
func (s *Section) has(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return s.value(key) != "" })
}

// sub looks a sub-property up: the value of a key is then lines of its own.
func (s *Section) sub(key, name string) (Property, bool) {
	p, ok := s.Property(key)
	if !ok {
		return Property{}, false
	}
	for line := range strings.Lines(p.text()) {
		k, value, _ := strings.Cut(withoutComment(strings.TrimSpace(line)), "=")
		value = strings.TrimSpace(value)
		if strings.EqualFold(strings.TrimSpace(k), name) && value != "" {
			return Property{Key: key + "." + name, Value: stschain.NewSecret(value), Position: p.Position, section: p.section}, true
		}
	}
	return Property{}, false
}

// errorf tells what is wrong with the section as a whole.
func (s *Section) errorf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf("profile: %s: [%s]: %s", s.Position, sectionName(s.Kind, s.Name), fmt.Sprintf(format, args...)))
}

func (p Property) text() string { return p.Value.Reveal() }

// errorf tells what is wrong with the property. Only what cannot be a secret is shown of values.
func (p Property) errorf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf("profile: %s: %s", p.origin(), fmt.Sprintf(format, args...)))
}

// origin tells where the property stands.
func (p Property) origin() string { return fmt.Sprintf("%s: [%s] %s", p.Position, p.section, p.Key) }

// add merges what was scanned over what there is.
func (f *Files) add(s *scanner) {
	for _, section := range s.model.Sections() {
		head := s.heads[section]
		if head == nil {
			continue // ini.v1's own, which is always there
		}
		to := f.sections[section.Name()]
		if to == nil {
			to = &Section{Kind: head.kind, Name: head.name, Position: Position{s.path, head.line}, properties: map[string]Property{}, indents: map[string]indent{}}
			f.sections[section.Name()] = to
		}
		for _, key := range section.Keys() {
			to.properties[key.Name()] = property(s, section, key)
		}
		to.listed = to.listed || head.listed
		if to.err == nil {
			to.err = head.err
		}
		maps.Copy(to.indents, head.indents)
	}
	f.problems = append(f.problems, s.problems...)
	if s.lost.err != nil {
		f.lost = append(f.lost, lost{s.lost.err, stschain.NewSecret(s.lost.text)})
	}
	maps.Copy(f.indents, s.indents)
	for header, line := range s.stray {
		f.stray[header] = Position{s.path, line}
	}
}

func property(s *scanner, section *ini.Section, key *ini.Key) Property {
	return Property{
		Key:      key.Name(),
		Value:    stschain.NewSecret(key.Value()),
		Position: Position{s.path, s.lines[key]},
		section:  section.Name(),
	}
}

// places names both files, and tells which do not exist or cannot be opened.
func (f *Files) places() string {
	if f.Config == "" && f.Credentials == "" {
		return "any file, since there is no home directory to look in"
	}
	names := []string{f.Config, f.Credentials}
	for i, name := range names {
		switch {
		case name == "":
			names[i] = "a home directory (there is none)"
		case slices.ContainsFunc(f.missing, func(l location) bool { return l.path == name }):
			names[i] = name + " (which does not exist)"
		}
		for _, r := range f.refused {
			if r.path == name {
				names[i] = fmt.Sprintf("%s (which cannot be opened: %v)", name, r.reason)
			}
		}
	}
	return strings.Join(names, " and ")
}

// find returns the section, nil if there is none. It is an error if what could not be read is, or may
// be, a part of it.
func (f *Files) find(kind, name string) (*Section, error) {
	s := f.sections[sectionName(kind, name)]
	if err := s.Err(); err != nil {
		return nil, err
	}
	for _, lost := range f.lost {
		if s == nil || strings.Contains(lost.text.Reveal(), name) {
			return nil, lost.err
		}
	}
	return s, nil
}

// hint helps those whose profile is there under a header that means something else.
func (f *Files) hint(name string) string {
	if at, ok := f.indents[sectionName(kindProfile, name)]; ok {
		return fmt.Sprintf("; the header of the profile in %v", at)
	}
	for _, header := range slices.Sorted(maps.Keys(f.stray)) {
		at := f.stray[header]
		bare, _ := unquote(header)
		kind, inConfig, _ := configSection(header)
		switch {
		case at.File == f.Config && (bare == name || header == name):
			return fmt.Sprintf("; %s has [%s], which in this file must be [profile %s]", at, header, quoted(name))
		case at.File == f.Credentials && (kind == kindProfile && inConfig == name || bare == name):
			return fmt.Sprintf("; %s has [%s], which in this file must be [%s]", at, header, name)
		}
	}
	return didYouMean(name, f.Profiles())
}

// indented helps those who miss one of the keys, if it is there and read as something else.
func (s *Section) indented(keys ...string) string {
	for _, key := range keys {
		if at, ok := s.indents[key]; ok {
			return fmt.Sprintf("; %s in %v", key, at)
		}
	}
	return ""
}

// continuing helps those whose property goes on over a line that was not meant for it.
func (s *Section) continuing(p Property) string {
	for _, at := range s.indents {
		if at.at.File == p.Position.File && at.of == p.Position.Line {
			return fmt.Sprintf("; %v", at)
		}
	}
	return ""
}
