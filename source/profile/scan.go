package profile

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/ini.v1"

	"github.com/stschain-go/stschain"
)

// What one file may hold. Tools that write a profile for each role of each account of an
// organisation come to tens of thousands.
const (
	maxFile     = 4 << 20
	maxSections = 50_000
	maxKeys     = 1_000 // in one section; ini.v1 looks through all of them for each
)

// dialect is one of the two files: the sections that it may have.
type dialect struct {
	what  string // "config"
	named func(header string) (kind, name string)
}

var (
	configFile      = dialect{"config", configSection}
	credentialsFile = dialect{"credentials", credentialsSection}
)

// The kinds of sections.
const (
	kindProfile    = "profile"
	kindSSOSession = "sso-session"
	kindServices   = "services"
)

// configSection: the default profile may go without the word, all others have one.
func configSection(header string) (kind, name string) {
	if header == defaultProfile {
		return kindProfile, header
	}
	word := header
	if i := strings.IndexFunc(header, unicode.IsSpace); i >= 0 {
		word, name = header[:i], unquote(strings.TrimSpace(header[i:]))
	}
	switch word {
	case kindProfile, kindSSOSession, kindServices:
		return word, name
	}
	return "", ""
}

func credentialsSection(header string) (kind, name string) {
	if !isIdentifier(header) {
		return "", ""
	}
	return kindProfile, header
}

// unquote returns a valid name, or "". The AWS CLI writes names with spaces in quotes.
func unquote(name string) string {
	if n := len(name); n > 2 && name[0] == name[n-1] && (name[0] == '"' || name[0] == '\'') {
		return name[1 : n-1]
	}
	if !isIdentifier(name) {
		return ""
	}
	return name
}

// isIdentifier: what names of profiles and of keys consist of.
func isIdentifier(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-/.%@_:+", r))
	}) < 0
}

// scanner reads one file into a model. Sections of one name are one, and of keys of
// one name the last one counts: that is ini.v1's doing. What a line is, it is told: its own
// parser has no line numbers, knows no continuation, takes a value that begins with a backtick for the
// start of one that goes on over the next lines, and shows lines, which may hold
// secrets, in its errors.
type scanner struct {
	dialect
	path  string
	model *ini.File
	lines map[*ini.Key]int // where each key was defined last
	heads map[*ini.Section]*head
	stray map[string]int // headers of sections that mean nothing here, and their lines

	line     int
	inside   bool         // of a section, even of one that means nothing
	section  *ini.Section // nil: none, or one that means nothing
	prefixed bool         // "[profile default]" was seen, so "[default]" means nothing

	open   bool // there is a property that may be continued
	key    *ini.Key
	value  strings.Builder // of key, so far
	empty  bool            // the property's own line has no value, so that it may have sub-properties
	indent int             // of the property's own line
}

// head is where a section begins, and how many keys it has.
type head struct {
	kind, name string
	line, keys int
}

// scan reads the text of a file.
func scan(d dialect, path, text string) (*scanner, error) {
	s := &scanner{
		dialect: d, path: path,
		model: ini.Empty(ini.LoadOptions{
			AllowNonUniqueSections: true,   // so that NewSection does not search all others
			ChildSectionDelimiter:  "\x00", // in no name: "a.b" inherits nothing from "a"
		}),
		lines: map[*ini.Key]int{}, heads: map[*ini.Section]*head{}, stray: map[string]int{},
	}
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		s.line++
		if err := s.read(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")); err != nil {
			return nil, err
		}
	}
	s.close()
	return s, nil
}

// read takes the next line.
func (s *scanner) read(line string) error {
	text := strings.TrimSpace(line)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return nil
	}
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
		return s.errorf("the line has bytes that are no text in UTF-8: save the file as UTF-8, and without control characters")
	}
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	switch {
	case s.open && indent > s.indent:
		return s.continued(text)
	case text[0] == '[':
		return s.header(text)
	case !s.inside:
		return s.errorf("expected a profile definition, such as [default], before the first property")
	case indent > 0 && !strings.Contains(text, "="):
		return s.errorf("expected a property definition, found continuation: there is no property above that it could belong to")
	}
	return s.property(text, indent)
}

// header begins a section. A comment may follow the bracket at once.
func (s *scanner) header(text string) error {
	s.close()
	if i := strings.IndexAny(text, "#;"); i >= 0 {
		text = strings.TrimSpace(text[:i])
	}
	if !strings.HasSuffix(text, "]") {
		return s.errorf("profile definition must end with ']'")
	}
	header := strings.TrimSpace(text[1 : len(text)-1])
	s.inside, s.section = true, nil
	kind, name := s.named(header)
	if name == "" {
		if len(s.stray) < maxSections {
			s.stray[header] = s.line
		}
		return nil
	}
	if s.what == configFile.what && kind == kindProfile && name == defaultProfile {
		switch {
		case header == defaultProfile && s.prefixed:
			return nil
		case header != defaultProfile && !s.prefixed:
			s.prefixed = true
			s.model.DeleteSection(sectionName(kind, name))
		}
	}
	return s.enter(kind, name)
}

// sectionName is what a section is called in the model.
func sectionName(kind, name string) string { return kind + " " + name }

func (s *scanner) enter(kind, name string) (err error) {
	if s.section, err = s.model.GetSection(sectionName(kind, name)); err == nil {
		return nil
	}
	if len(s.heads) >= maxSections {
		return s.errorf("there are more than %d sections", maxSections)
	}
	if s.section, err = s.model.NewSection(sectionName(kind, name)); err != nil {
		return s.errorf("%v", err)
	}
	s.heads[s.section] = &head{kind: kind, name: name, line: s.line}
	return nil
}

// property defines a key. Before a comment is white space.
func (s *scanner) property(text string, indent int) error {
	s.close()
	name, value, ok := strings.Cut(withoutComment(text), "=")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case !ok:
		return s.errorf("expected an '=' sign defining a property")
	case name == "":
		return s.errorf("property did not have a name")
	}
	s.open, s.empty, s.indent = true, value == "", indent
	if s.section == nil || !isIdentifier(name) {
		return nil
	}
	key, err := s.section.NewKey(name, "") // or the one of that name
	if err != nil {
		return s.errorf("%v", err)
	}
	if head := s.heads[s.section]; s.lines[key] == 0 {
		if head.keys++; head.keys > maxKeys {
			return s.errorf("there are more than %d keys in the section", maxKeys)
		}
	}
	s.key, s.lines[key] = key, s.line
	s.value.WriteString(value)
	return nil
}

// continued goes on with the value of a property, of which a comment is then part.
func (s *scanner) continued(text string) error {
	if s.empty {
		name, _, ok := strings.Cut(withoutComment(text), "=")
		switch {
		case !ok:
			return s.errorf("expected an '=' sign defining a sub-property")
		case strings.TrimSpace(name) == "":
			return s.errorf("sub-property did not have a name")
		}
	}
	if s.key != nil {
		s.value.WriteByte('\n')
		s.value.WriteString(text)
	}
	return nil
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

// errorf tells of the line that is read, and shows nothing of it.
func (s *scanner) errorf(format string, args ...any) error {
	where := ""
	if s.section != nil {
		where = "[" + s.section.Name() + "] "
	}
	return stschain.Permanent(fmt.Errorf("profile: %s:%d: %s%s", s.path, s.line, where, fmt.Sprintf(format, args...)))
}
