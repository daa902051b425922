package serve_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
)

func isPermanent(err error) bool { return errors.Is(err, stschain.ErrPermanent) }

// FuzzRequest: only a request with the token, from this machine, under its name, and without headers of
// proxies and browsers gets credentials.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "127.0.0.1:80", "127.0.0.1:1", token, "Accept", "application/json")
	f.Add("GET", "[::1]", "[::1]:1", token, "User-Agent", "aws-sdk")
	f.Add("GET", "localhost", "127.0.0.1:1", token, "Sec-Fetch-Site", "none")
	f.Add("GET", "LOCALHOST:", "127.0.0.1:1", token, "x-forwarded-for", "::1")
	f.Add("GET", "localhost:80@rebound.example", "[::1%lo]:1", token, "Origin", "null")
	f.Add("POST", "rebound.example", "10.0.0.1:1", "", "Via", "")
	h := handler(providing(session()))
	f.Fuzz(func(t *testing.T, method, host, peer, given, name, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.Host, r.RemoteAddr = method, host, peer
		r.Header["Authorization"] = []string{given}
		r.Header[name] = append(r.Header[name], value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("%d with credentials: %s", w.Code, w.Body)
			}
			return
		}
		twice := name == "Authorization" // net/http has it in no other case
		name = strings.ToLower(textproto.CanonicalMIMEHeaderKey(name))
		suspect := strings.HasPrefix(name, "sec-fetch-") || strings.HasPrefix(name, "x-forwarded") ||
			strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "cf-") ||
			slices.Contains([]string{"origin", "via", "forwarded", "x-real-ip", "max-forwards", "true-client-ip"}, name) || twice
		bare := regexp.MustCompile(`:[0-9]*$`).ReplaceAllString(host, "")
		if strings.HasSuffix(host, "]") {
			bare = host
		}
		addr, err := netip.ParseAddr(strings.Trim(bare, "[]"))
		named := strings.EqualFold(bare, "localhost") || err == nil && (addr.Unmap().IsLoopback() ||
			slices.Contains([]string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"}, addr.String()))
		from, err := netip.ParseAddrPort(peer)
		near := err == nil && from.Addr().Unmap().IsLoopback()
		if method != "GET" || given != token || suspect || !named || !near {
			t.Errorf("credentials for %q of %q from %q with token %q and %q: %q", method, host, peer, given, name, value)
		}
	})
}
