package profile

import (
	"strings"
	"unicode"
)

// cutHeader returns what is between the brackets of a section header. Only a comment may follow
// them; otherwise ok is false, and the header is a guess.
func cutHeader(line string) (header string, ok bool) {
	end := headerEnd(line)
	if end < 0 {
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		return strings.TrimSpace(line[1:]), false
	}
	rest := strings.TrimSpace(line[end+1:])
	return strings.TrimSpace(line[1:end]), rest == "" || rest[0] == '#' || rest[0] == ';'
}

// headerEnd returns where the bracket is that ends a header, -1 if there is none. One in quotes is
// part of the name, unless the quote does not end.
func headerEnd(line string) int {
	var quote rune
	for i, r := range line {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case quote == 0 && r == ']':
			return i
		}
	}
	return strings.IndexByte(line, ']')
}

// unquote returns the name that the AWS CLI wrote. It quotes names with white space as a shell does:
// 'Foo Bar', and 'Someone'"'"'s Laptop' with an apostrophe. Such a name is listed, and so is one without
// quotes if it is valid.
func unquote(text string) (name string, listed bool) {
	if strings.ContainsAny(text, `'"`) {
		if word, ok := shellWord(text); ok {
			return word, true
		}
	}
	return text, isName(text)
}

// shellWord returns the one word that text is to a POSIX shell, in the manner of Python's
// shlex.split, which the AWS CLI reads headers with.
func shellWord(text string) (word string, ok bool) {
	var b strings.Builder
	var quote rune
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case quote == 0 && unicode.IsSpace(r):
			return "", false
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), quote == 0 && !escaped && b.Len() > 0
}

// quoted is how the AWS CLI writes a name into the header of a section.
func quoted(name string) string {
	if !strings.ContainsFunc(name, unicode.IsSpace) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'"'"'`) + "'"
}
