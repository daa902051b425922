package imds_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain/source/imds"
)

// FuzzSettings: whatever the environment says, only the endpoint gets requests, nothing about it
// is shown that could be a password, and the number of requests is bounded.
func FuzzSettings(f *testing.F) {
	f.Add("false", "", "", "IPv4", "1", "1")
	f.Add("TRUE", "t", "http://[fd00:ec2::254]/at/", "ipv6", "0.5", "100")
	f.Add("0", "F", "https://user:hunter4711@h/", "IPv5", "NaN", "-1")
	f.Add("", "", "http://127.0.0.1:1/a%2Fb//", "", "1e-3", "+3")
	f.Add(" ", "maybe", "//h", "", "Inf", "0x10")
	f.Add("", "", "http://%2580/", "", "", "")
	f.Add("", "", "http://[fe80::1%25eth0]/", "", "", "")
	f.Add("", "", "http://h/"+strings.Repeat("x", 1500), "", "", "1")
	f.Fuzz(func(t *testing.T, off, noV1, endpoint, mode, timeout, attempts string) {
		service := &fake{}
		p := service.provider()
		p.LookupEnv = from("AWS_EC2_METADATA_DISABLED="+off, "AWS_EC2_METADATA_V1_DISABLED="+noV1, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+endpoint,
			"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE="+mode, "AWS_METADATA_SERVICE_TIMEOUT="+timeout, "AWS_METADATA_SERVICE_NUM_ATTEMPTS="+attempts)
		_, err := p.Retrieve(t.Context())
		want := ""
		if u, parseErr := url.Parse(strings.TrimSpace(endpoint)); parseErr == nil {
			want = strings.TrimSuffix(u.Host, ":") // net/http takes an empty port off
			if password, _ := u.User.Password(); err != nil && len(password) > 8 && !strings.Contains(u.Host, password) && strings.Contains(err.Error(), password) {
				t.Fatalf("%v shows the password", err)
			}
		}
		if strings.TrimSpace(endpoint) == "" {
			want = "169.254.169.254"
			if strings.EqualFold(strings.TrimSpace(mode), "ipv6") {
				want = "[fd00:ec2::254]"
			}
		}
		for _, host := range service.hosts {
			if host != want {
				t.Fatalf("%q gets a request, and the endpoint is %q", host, endpoint)
			}
		}
		if len(service.hosts) > 0 && strings.EqualFold(strings.TrimSpace(off), "true") {
			t.Fatal("it gets a request, and is switched off")
		}
		if err == nil && len(service.hosts) == 0 || err != nil && len(err.Error()) > 1000+10*len(endpoint) {
			t.Fatalf("%d questions, %v", len(service.hosts), err)
		}
	})
}

// FuzzTokenLife: a session token is never used when the service says that it has ended, and is not
// requested again at once.
func FuzzTokenLife(f *testing.F) {
	for _, seconds := range []string{"21600", "0", "1", "60", "-1", "9223372036854775807", "1e3", "", "x"} {
		f.Add(seconds, uint32(30))
	}
	f.Add("5\u03bc", uint32(30))
	f.Fuzz(func(t *testing.T, seconds string, later uint32) {
		service := &fake{}
		now := clock.NewMock()
		p := &imds.Provider{LookupEnv: from(), Clock: now, HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := service.RoundTrip(r)
			if err == nil && r.Method == http.MethodPut {
				response.Header["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"] = []string{seconds}
			}
			return response, err
		})}}
		if _, err := p.Region(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait := time.Duration(later%(7*3600)) * time.Second
		now.Add(wait)
		if _, err := p.Region(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := service.count("PUT "+tokenPath) > 1
		life := 6 * time.Hour
		if n, err := strconv.ParseUint(strings.TrimPrefix(seconds, "+"), 10, 32); err == nil || seconds == "-0" {
			life = min(time.Duration(max(n, 1))*time.Second, life) // at most one attempt a second
		}
		if wait >= life && !again {
			t.Fatalf("a token for %q seconds is used after %v", seconds, wait)
		}
		if wait < life/4 && again {
			t.Fatalf("a token for %q seconds is requested again after %v", seconds, wait)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
