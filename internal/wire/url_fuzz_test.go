package wire_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stschain-go/stschain/internal/wire"
)

// FuzzParseURL: what is taken is a URL that a request can be made for and is taken again as it
// is; no error shows a password.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"localhost:9000", "https://h.example:443/a?b=c", "http://127.0.0.1", "user:hunter4711@h", "https://user:hunter4711@h", "http://[::1%25lo]:80/",
		"//h", "h:x", "https://h/%zz", "a://b://c", "https://h_o.example.", "https://[fd00:ec2::254]", "https://h?://", "https://h#x",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, allowHTTP bool) {
		u, err := wire.ParseURL(s, allowHTTP)
		if err != nil {
			if given, parseErr := url.Parse(s); parseErr == nil && given.User != nil {
				if password, _ := given.User.Password(); len(password) > 8 && !strings.Contains(given.Host, password) && strings.Contains(err.Error(), password) {
					t.Fatalf("%v shows the password", err)
				}
			}
			return
		}
		ip, _ := netip.ParseAddr(u.Hostname())
		here := ip.Unmap().IsLoopback() || strings.EqualFold(u.Hostname(), "localhost")
		if u.User != nil || u.Fragment != "" || u.Path == "" || u.Scheme != "https" && (u.Scheme != "http" || !allowHTTP && !here) {
			t.Fatalf("%q is %q", s, u)
		}
		if again, err := wire.ParseURL(u.String(), allowHTTP); err != nil || again.String() != u.String() {
			t.Fatalf("%q is %q, and then %q, %v", s, u, again, err)
		}
	})
}

// FuzzRegion: whatever label a region is, its hosts are under a domain of AWS and are hosts.
func FuzzRegion(f *testing.F) {
	for _, region := range []string{"eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1", "aws-cn-global", "us-isob-", "x", "a.b", "evil#"} {
		f.Add(region, false, false)
		f.Add(region, true, true)
		f.Add(region, true, false)
	}
	f.Fuzz(func(t *testing.T, region string, fips, dualStack bool) {
		if !wire.IsLabel(region) {
			return
		}
		of := wire.ServiceHost("sts", region, fips, dualStack)
		if !wire.IsAWSHost(of) || !strings.Contains(of, "."+region+".") || fips && !strings.HasPrefix(of, "sts") {
			t.Fatalf("STS in %q is %q", region, of)
		}
		for _, h := range []string{of, wire.SignInHost(region, fips, dualStack)} {
			if u, err := wire.ParseURL("https://"+h, false); err != nil || u.Host != h {
				t.Fatalf("%q in %q: %v", h, region, err)
			}
		}
	})
}
