package profile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/ini.v1"

	"github.com/stschain-go/stschain"
)

// scanner reads one file into a model. Sections of one name are one, and of keys of
// one name the last one counts: that is ini.v1's doing. What a line is, it is told: its own
// parser has no line numbers, knows no continuation, takes a value that begins with a backtick for the
// start of one that goes on over the next lines, and shows lines, which may hold
// secrets, in its errors.
//
// A line that cannot be read makes its section unusable, and no other one.
type scanner struct {
	dialect
	path  string
	model *ini.File
	lines map[*ini.Key]int // where each key was defined last
	heads map[*ini.Section]*head

	problems []error           // what cannot be read, of each section the first
	lost     unread            // lines that belong to no section
	stray    map[string]int    // headers that mean nothing here or are not listed, and their lines
	indents  map[string]indent // headers that are indented below a property, by kind and name

	line     int
	inside   bool         // of a section, even of one that means nothing
	section  *ini.Section // nil: none, or one that means nothing
	prefixed bool         // "[profile default]" was seen, so "[default]" means nothing

	open   bool // there is a property that may be continued
	at     int  // its line
	key    *ini.Key
	value  strings.Builder // of key, so far
	empty  bool            // the property's own line has no value, so that it may have sub-properties
	indent int             // of the property's own line
}

// head is where a section begins, how many keys it has, and what is wrong with it.
type head struct {
	kind, name string
	listed     bool
	line, keys int
	err        error             // nil: nothing
	indents    map[string]indent // keys that are indented below another one
}

// unread are lines that belong to no section: what is wrong with the first, and the text of those that
// may be headers.
type unread struct {
	err  error // nil: there are none
	text string
}

// indent is a line that reads like a header or a property of its own, and continues another one,
// since it is indented.
type indent struct {
	at Position
	of int // the line that it continues
}

func (i indent) String() string {
	return fmt.Sprintf("line %d of %s is indented, so it continues line %d: remove the white space before it", i.at.Line, i.at.File, i.of)
}

// scan reads the text of a file. Only a file that is too large is an error: what is wrong with lines is kept
// with their section.
func scan(d dialect, path, text string) (*scanner, error) {
	s := &scanner{
		dialect: d, path: path,
		model: ini.Empty(ini.LoadOptions{
			AllowNonUniqueSections: true,   // so that NewSection does not search all others
			ChildSectionDelimiter:  "\x00", // in no name: "a.b" inherits nothing from "a"
		}),
		lines: map[*ini.Key]int{}, heads: map[*ini.Section]*head{},
		stray: map[string]int{}, indents: map[string]indent{},
	}
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		s.line++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if err := s.read(line); err != nil {
			s.blame(line, err)
		}
		if len(s.heads) > maxSections {
			s.section = nil
			return nil, s.errorf("there are more than %d sections", maxSections)
		}
	}
	s.close()
	return s, nil
}

// blame notes what is wrong with a line.
func (s *scanner) blame(line string, err error) {
	s.close()
	switch head := s.heads[s.section]; {
	case head != nil:
		s.fail(&head.err, err)
	case !s.inside:
		s.fail(&s.lost.err, err)
		if !strings.Contains(line, "=") { // perhaps a header
			s.lost.text += line + "\n"
		}
	}
}

// fail notes err as what is wrong with a section, unless something is already.
func (s *scanner) fail(with *error, err error) {
	if *with == nil {
		*with = s.errorf("%w", err)
		s.problems = append(s.problems, *with)
	}
}

// read takes the next line.
func (s *scanner) read(line string) error {
	text := strings.TrimSpace(line)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return nil
	}
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	continues := s.open && indent > s.indent
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
		if text[0] == '[' && !continues { // whatever section this is, the one above has ended
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
	if !listed && len(s.stray) < maxSections {
		s.stray[header] = s.line
	}
	switch {
	case name == "" && !ok:
		return errHeader
	case name == "":
		return nil
	case s.what == configFile.what && kind == kindProfile && name == defaultProfile:
		if header == defaultProfile && s.prefixed {
			return nil
		}
		if header != defaultProfile && !s.prefixed {
			s.prefixed = true
			s.model.DeleteSection(sectionName(kind, name))
		}
	}
	if err := s.enter(kind, name, listed); err != nil {
		return err
	}
	if !ok {
		head := s.heads[s.section]
		if !strings.Contains(text, "]") { // then what is the name is a guess, and not shown
			s.section = nil
		}
		s.fail(&head.err, errHeader)
		s.section = nil
	}
	return nil
}

// sectionName is what a section is called in the model.
func sectionName(kind, name string) string { return kind + " " + name }

func (s *scanner) enter(kind, name string, listed bool) (err error) {
	if s.section, err = s.model.GetSection(sectionName(kind, name)); err == nil {
		s.heads[s.section].listed = s.heads[s.section].listed || listed
		return nil
	}
	if s.section, err = s.model.NewSection(sectionName(kind, name)); err != nil {
		return err
	}
	s.heads[s.section] = &head{kind: kind, name: name, listed: listed, line: s.line}
	return nil
}

// property defines a key. Before a comment is white space.
func (s *scanner) property(text string, indent int) error {
	s.close()
	name, value, ok := strings.Cut(withoutComment(text), "=")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case !ok:
		return errNoEquals
	case name == "":
		return errNoName
	}
	s.open, s.at, s.empty, s.indent = true, s.line, value == "", indent
	head := s.heads[s.section]
	if head == nil || head.err != nil || !isIdentifier(name) {
		return nil
	}
	key, err := s.section.NewKey(name, "") // or the one of that name
	if err != nil {
		return err
	}
	if s.lines[key] == 0 {
		if head.keys++; head.keys > maxKeys {
			return fmt.Errorf("there are more than %d keys in the section", maxKeys)
		}
	}
	s.key, s.lines[key] = key, s.line
	s.value.WriteString(value)
	return nil
}

// continued goes on with the value of a property, of which a comment is then part.
func (s *scanner) continued(text string) error {
	name, _, ok := strings.Cut(withoutComment(text), "=")
	name = strings.ToLower(strings.TrimSpace(name))
	if text[0] == '[' || ok && !s.empty {
		s.indented(text, name)
	}
	switch {
	case s.empty && !ok:
		return fmt.Errorf("expected an '=' sign defining a sub-property: the line is indented, so it belongs to line %d", s.at)
	case s.empty && name == "":
		return errNoSubName
	}
	if s.key != nil {
		s.value.WriteByte('\n')
		s.value.WriteString(text)
	}
	return nil
}

// indented notes a line that continues a property, and reads like a header or a property of its own.
func (s *scanner) indented(text, name string) {
	at := indent{Position{s.path, s.line}, s.at}
	if text[0] == '[' {
		header, _ := cutHeader(text)
		if kind, name, _ := s.named(header); name != "" {
			s.indents[sectionName(kind, name)] = at
		}
	}
	if head := s.heads[s.section]; head != nil {
		if head.indents == nil {
			head.indents = map[string]indent{}
		}
		head.indents[name] = at
	}
}

// close ends the property that is open, if one is.
func (s *scanner) close() {
	if s.key != nil {
		s.key.SetValue(s.value.String())
	}
	s.open, s.key = false, nil
	s.value.Reset()
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

// What can be wrong with a line, in the words of the AWS SDKs.
var (
	errNoText     = errors.New("the line is not UTF-8 text: save the file as UTF-8, without control characters")
	errHeader     = errors.New("profile definition must end with ']', and only a comment may follow: the keys below it are not read")
	errNoSection  = errors.New("expected a profile definition, such as [default], before the first property")
	errNoProperty = errors.New("expected a property definition, found continuation: there is no property above that it could belong to")
	errNoEquals   = errors.New("expected an '=' sign defining a property, as in key = value")
	errNoName     = errors.New("property did not have a name")
	errNoSubName  = errors.New("sub-property did not have a name")
)

// errorf tells of the line that is read and of its section, and shows nothing of the line.
func (s *scanner) errorf(format string, args ...any) error {
	where := ""
	if s.section != nil {
		where = "[" + s.section.Name() + "] "
	}
	return stschain.Permanent(fmt.Errorf("profile: %s:%d: %s%w", s.path, s.line, where, fmt.Errorf(format, args...)))
}
