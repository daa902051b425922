package statuspage

import (
	"fmt"
	"html"
	"strings"
)

// literal is HTML that this package contains: a constant becomes one, a string does not.
type literal string

// printer makes HTML. It stands in for html/template, which makes a program that links it 2 MB larger.
type printer struct{ out strings.Builder }

// print writes HTML in which each %s is the next value, escaped. That is safe where a browser takes it as text: between
// tags, and between the double quotes of an attribute other than a URL, a style, or a handler.
func (p *printer) print(format literal, values ...any) {
	for i, v := range values {
		values[i] = html.EscapeString(fmt.Sprint(v))
	}
	fmt.Fprintf(&p.out, string(format), values...)
}
