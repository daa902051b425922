package profile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
)

// Limits of one file. Tools that write a profile for each role of each account of an organization write tens of thousands.
const (
	maxFile     = 4 << 20
	maxSections = 50_000
	maxKeys     = 1_000 // in one section; ini.v1 searches all of them for each
)

// scanner reads one file into files. It parses lines itself, because the parser of
// ini.v1 has no line numbers, does not support continuation, takes a value that begins
// with a backtick for the start of one that continues over the next lines, and shows
// lines, which may have secrets, in its errors.
//
// A line that cannot be read makes only its section unusable.
type scanner struct {
	*files
	dialect
	at       position // the line
	section  *section // nil: none, or one without a meaning
	inside   bool     // of a section, even of one without a meaning
	prefixed bool     // "[profile default]" was seen, so "[default]" has no meaning
	entered  int      // sections of this file
	open     *opened  // the property that may be continued; nil: none

	lostErr  error // of the first line that belongs to no section
	lostText strings.Builder
}

// opened is a property whose value may continue in the next line.
type opened struct {
	line, indent int
	empty        bool               // its own line has no value, so that it may have sub-properties
	keep         func(value string) // nil: the value is not kept
	value        strings.Builder    // so far
}

// scan reads the text of a file. Only a file that is too large is an error: errors of lines are recorded in their section.
func (f *files) scan(d dialect, path, text string) error {
	s := &scanner{files: f, dialect: d, at: position{file: path}}
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		s.at.line++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if err := s.read(line); err != nil {
			s.blame(line, err)
		}
		if s.entered > maxSections {
			s.section = nil
			return s.errorf("the file has more than %d sections", maxSections)
		}
	}
	s.close()
	if s.lostErr != nil {
		f.lost = append(f.lost, lost{s.lostErr, stschain.NewSecret(s.lostText.String())})
	}
	return nil
}

// blame records the error of a line.
func (s *scanner) blame(line string, err error) {
	s.close()
	switch {
	case s.section != nil:
		s.fail(&s.section.err, err)
	case !s.inside:
		s.fail(&s.lostErr, err)
		if !strings.Contains(line, "=") { // perhaps a header
			s.lostText.WriteString(line + "\n")
		}
	}
}

// fail records err as the error of a section, unless it already has one.
func (s *scanner) fail(with *error, err error) {
	if *with == nil {
		*with = s.errorf("%w", err)
		s.problems = append(s.problems, *with)
	}
}

// read processes the next line.
func (s *scanner) read(line string) error {
	text := strings.TrimSpace(line)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return nil
	}
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	continues := s.open != nil && indent > s.open.indent
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
		if text[0] == '[' && !continues { // the section above has ended, even if this header is invalid
			s.close()
			s.inside, s.section = false, nil
		}
		return errNoText
	}
	switch {
	case continues:
		return s.continued(text)
	case text[0] == '[':
		return s.header(text)
	case !s.inside:
		return errNoSection
	case indent > 0 && !strings.Contains(text, "="):
		return errNoProperty
	}
	return s.property(text, indent)
}

// header begins a section. The keys below one that cannot be read belong to no section.
func (s *scanner) header(text string) error {
	s.close()
	header, ok := cutHeader(text)
	kind, name, listed := s.named(header)
	s.inside, s.section = ok || name != "", nil
	if !listed && len(s.stray) < 2*maxSections {
		s.stray[header] = s.at
	}
	isDefault := s.what == configFile.what && kind == kindProfile && name == defaultProfile
	switch {
	case name == "" && !ok:
		return errHeader
	case name == "", isDefault && s.prefixed && header == defaultProfile:
		return nil
	case isDefault && !s.prefixed && header != defaultProfile:
		s.prefixed = true
		s.model.deleteSection(sectionName(kind, name))
		delete(s.sections, sectionName(kind, name))
	}
	known := len(s.sections)
	section, err := s.enter(kind, name, s.at)
	if err != nil {
		return err
	}
	s.entered += len(s.sections) - known
	section.listed = section.listed || listed
	s.section = section
	if ok {
		return nil
	}
	if !strings.Contains(text, "]") { // the name is a guess, and not shown
		s.section = nil
	}
	s.fail(&section.err, errHeader)
	s.section = nil
	return nil
}

// property defines a key. A comment begins after white space.
func (s *scanner) property(text string, indent int) error {
	s.close()
	name, value, ok := cutProperty(text)
	switch {
	case !ok:
		return errNoEquals
	case name == "":
		return errNoName
	}
	s.open = &opened{line: s.at.line, indent: indent, empty: value == ""}
	if s.section == nil || s.section.err != nil || !isIdentifier(name) {
		return nil
	}
	if _, again := s.section.positions[name]; !again && len(s.section.positions) == maxKeys {
		return fmt.Errorf("the section has more than %d keys", maxKeys)
	}
	keep, err := s.section.values.newKey(name)
	if err != nil {
		return err
	}
	s.section.positions[name] = s.at
	s.open.keep = keep
	s.open.value.WriteString(value)
	return nil
}

// continued extends the value of a property. A comment is then part of it.
func (s *scanner) continued(text string) error {
	name, _, ok := cutProperty(text)
	if text[0] == '[' || ok && !s.open.empty {
		s.indented(text, name)
	}
	switch {
	case s.open.empty && !ok:
		return fmt.Errorf("expected an '=' sign defining a sub-property: the line is indented, so it belongs to line %d", s.open.line)
	case s.open.empty && name == "":
		return errNoSubName
	}
	s.open.value.WriteString("\n" + text)
	return nil
}

// indented records a line that continues a property, but looks like a header or a property.
func (s *scanner) indented(text, name string) {
	at := indent{s.at, s.open.line}
	if text[0] == '[' {
		header, _ := cutHeader(text)
		if kind, name, _ := s.named(header); name != "" {
			s.indents[sectionName(kind, name)] = at
		}
	}
	if s.section != nil {
		s.section.indents[name] = at
	}
}

// close ends the open property, if any.
func (s *scanner) close() {
	if s.open != nil && s.open.keep != nil {
		s.open.keep(s.open.value.String())
	}
	s.open = nil
}

// cutProperty cuts a line into a key in lower case and a value, without a comment.
func cutProperty(text string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(withoutComment(text), "=")
	return strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value), ok
}

// withoutComment cuts off what follows white space and a # or a semicolon.
func withoutComment(text string) string {
	for i := 1; i < len(text); i++ {
		if (text[i] == '#' || text[i] == ';') && (text[i-1] == ' ' || text[i-1] == '\t') {
			return text[:i]
		}
	}
	return text
}

// The errors of a line, with the texts of the AWS SDKs.
var (
	errNoText     = errors.New("the line is not UTF-8 text: save the file as UTF-8, without control characters")
	errHeader     = errors.New("profile definition must end with ']', and only a comment may follow: the keys below it are not read")
	errNoSection  = errors.New("expected a profile definition, such as [default], before the first property")
	errNoProperty = errors.New("expected a property definition, found continuation: there is no property above that it could belong to")
	errNoEquals   = errors.New("expected an '=' sign defining a property, as in key = value")
	errNoName     = errors.New("property did not have a name")
	errNoSubName  = errors.New("sub-property did not have a name")
)

// errorf is an error about the line that is read and its section. It does not show the line.
func (s *scanner) errorf(format string, args ...any) error {
	where := ""
	if s.section != nil {
		where = "[" + s.section.String() + "] "
	}
	return stschain.Permanent(fmt.Errorf("profile: %s: %s%w", s.at, where, fmt.Errorf(format, args...)))
}
