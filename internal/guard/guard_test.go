package guard_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/guard"
)

// The tests of serve have every header of a proxy. These have how names are compared, and what each caller relies on.
func TestHeaders(t *testing.T) {
	const forwarded, browser, crossSite = 1, 2, 4
	for name, test := range map[string]struct {
		header http.Header
		want   int
	}{
		"none":                     {http.Header{"Authorization": {"a"}, "Accept": {"*/*"}, "User-Agent": {"curl"}}, 0},
		"a list":                   {http.Header{"X-Forwarded-For": {"::1"}}, forwarded},
		"without a value":          {http.Header{"X-Forwarded-For": nil}, forwarded},
		"lower case, underscores":  {http.Header{"x_forwarded_host": {"h"}}, forwarded},
		"prefix":                   {http.Header{"Cf-Anything": {"a"}}, forwarded},
		"whole name, not a prefix": {http.Header{"Viaduct": {"a"}, "Forwarded2": {"a"}, "My-X-Forwarded-For": {"a"}}, 0},
		"typed by the user":        {http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}}, browser},
		"same origin":              {http.Header{"Sec-Fetch-Site": {"same-origin"}}, browser},
		"same site":                {http.Header{"Sec-Fetch-Site": {"same-site"}}, browser | crossSite},
		"cross-site":               {http.Header{"sec_fetch_site": {"cross-site"}}, browser | crossSite},
		"twice":                    {http.Header{"Sec-Fetch-Site": {"none", "none"}}, browser | crossSite},
		"empty":                    {http.Header{"Sec-Fetch-Site": {""}}, browser | crossSite},
		"origin":                   {http.Header{"Origin": {"http://localhost"}}, browser | crossSite},
		"origin of a file":         {http.Header{"origin": {"null"}}, browser | crossSite},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = test.header
		require.Equal(t, test.want&forwarded != 0, guard.Forwarded(r), name)
		require.Equal(t, test.want&browser != 0, guard.Browser(r), name)
		require.Equal(t, test.want&crossSite != 0, guard.CrossSite(r), name)
	}
	require.True(t, guard.Forwarded(httptest.NewRequest("GET", "http://localhost/", nil)), "a request to a proxy has an absolute URL")
}

func TestNear(t *testing.T) {
	peers := []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}
	for name, test := range map[string]struct {
		from, to string
		want     bool
	}{
		"loopback":                   {"127.0.0.1:1", "", true},
		"loopback, IPv6":             {"[::1]:1", "", true},
		"loopback, zone":             {"[::1%lo]:1", "", true},
		"loopback, mapped":           {"[::ffff:127.0.0.1]:1", "", true},
		"peer":                       {"172.17.0.9:1", "", true},
		"peer, mapped":               {"[::ffff:172.17.0.9]:1", "", true},
		"other":                      {"172.18.0.9:1", "", false},
		"own address of an agent":    {"169.254.170.2:1", "169.254.170.2:80", true},
		"an agent elsewhere":         {"169.254.170.2:1", "127.0.0.1:80", false},
		"an agent, address unknown":  {"169.254.170.2:1", "", false},
		"own address, but no agent":  {"192.0.2.1:1", "192.0.2.1:80", false},
		"no port":                    {"127.0.0.1", "", false},
		"a socket without addresses": {"@", "", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.from
		if test.to != "" {
			local := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(test.to))
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		}
		require.Equal(t, test.want, guard.Near(r, peers), name)
	}
}

func TestServes(t *testing.T) {
	for name, test := range map[string]struct {
		host  string
		hosts []string
		name  string // "": not a host
		want  bool
	}{
		"localhost":         {"localhost:80", nil, "localhost", true},
		"case, empty port":  {"LOCALHOST:", nil, "LOCALHOST", true},
		"IPv4":              {"127.0.0.1", nil, "127.0.0.1", true},
		"IPv6":              {"[::1]:80", nil, "::1", true},
		"agent":             {"169.254.170.2", nil, "169.254.170.2", true},
		"rebound":           {"rebound.example", nil, "rebound.example", false},
		"user":              {"localhost:80@rebound.example", nil, "", false},
		"path":              {"localhost/a", nil, "", false},
		"no host":           {"", nil, "", false},
		"port alone":        {":80", nil, "", false},
		"listed":            {"Gateway:80", []string{"gateway"}, "Gateway", true},
		"listed with []":    {"[fd00::1]:80", []string{"[fd00::1]"}, "fd00::1", true},
		"not listed":        {"localhost", []string{"gateway"}, "localhost", false},
		"listed, as suffix": {"a.gateway", []string{"gateway"}, "a.gateway", false},
	} {
		got, ok := guard.Hostname(test.host)
		require.Equal(t, test.name, got, name)
		require.Equal(t, test.name != "", ok, name)
		require.Equal(t, test.want, guard.Serves(test.host, test.hosts), name)
	}
}
