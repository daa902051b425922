package statuspage_test

import (
	"context"
	"encoding/xml"
	"errors"
	"html"
	"html/template"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/statuspage"
)

var hostile = []string{
	markup, `"`, `'`, `" onmouseover="alert(1)`, "' onfocus='", "<!--", "-->", "]]>", "</style>", "</title><script>", "&lt;", "&amp;lt;", "&#60", "a=b`c", "+ADw-script+AD4-",
	"%s", "%[1]d%!", "{{.}}", "\u2028\u202e\ufeff", "\xff<\xc0", "javascript:alert(1)", "<svg/onload=alert(1)>", "\t\r\n\f",
}

var reference = template.Must(template.New("").Parse(`<p title="{{.}}">{{.}}</p>`))

// FuzzPrint: a browser reads the same texts as from html/template, and values add no markup.
func FuzzPrint(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ReplaceAll(s, "\x00", "") // text has none, and browsers drop it
		got := statuspage.Print(`<p title="%s">%s</p>`, s, s)
		var want strings.Builder
		require.NoError(t, reference.Execute(&want, s))
		require.Equal(t, html.UnescapeString(want.String()), html.UnescapeString(got))
		for mark, n := range map[string]int{"<": 2, ">": 2, `"`: 2, "'": 0} {
			require.Equal(t, n, strings.Count(got, mark), got)
		}
	})
}

// FuzzPage: whatever the texts are, the page has the same elements and attributes.
func FuzzPage(f *testing.F) {
	want := outline(f, hostilePage(f, ""))
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, want, outline(t, hostilePage(t, s)))
	})
}

// hostilePage is a page on which s is in every text.
func hostilePage(t testing.TB, s string) string {
	s = "x" + s
	bad := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, errors.New(s) })
	good := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{AccessKeyID: s, SecretAccessKey: stschain.NewSecret(secret), Origin: s}, nil
	})
	fails, works := &stschain.Cache{Provider: bad}, &stschain.Cache{Provider: good}
	_, _ = fails.Retrieve(t.Context())
	_, _ = works.Retrieve(t.Context())
	pool := &stschain.Pool[string]{New: func(string) (stschain.Provider, error) { return bad, nil }}
	_, _ = pool.Provider(s).Retrieve(t.Context())
	events := new(statuspage.Events)
	events.Add(stschain.Event{Kind: stschain.Refreshed, Time: time.Unix(1, 0), Origin: s, Note: s})
	events.Add(stschain.Event{Kind: stschain.RefreshFailed, Time: time.Unix(2, 0), Origin: s, Err: errors.New(s)})
	h := &statuspage.Handler{
		Title:     s,
		Providers: []statuspage.Provider{{Name: s, Provider: stschain.NewChain(fails, works), Events: events}, {Name: s}},
		Pools:     []statuspage.Pool{statuspage.NewPool(s, pool, func(key string) string { return key }), statuspage.NewPool[string](s, nil, nil)},
	}
	w := get(h, "/?q="+url.QueryEscape(s), nil)
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

// outline is the elements of a page and the names of their attributes.
func outline(t testing.TB, page string) []string {
	_, body, ok := strings.Cut(page, "</style>")
	require.True(t, ok)
	d := xml.NewDecoder(strings.NewReader("<html><head>" + body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var found []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			return found
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			for _, a := range token.Attr {
				name += " " + a.Name.Local
			}
			found = append(found, name)
		case xml.Comment, xml.ProcInst, xml.Directive:
			require.Fail(t, "markup", "%q", token)
		}
	}
}
