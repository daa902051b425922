//go:build unix

package processfault_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/login"
	"github.com/stschain-go/stschain/source/sso"
)

// kind is a kind of session: `aws sso login` or `aws login` has put it into a file, and it is
// refreshed. Its n-th refresh brings the refresh token "refresh-n" and leads to the
// credentials ASIAn; before the first one, n is 0.
type kind struct {
	path     string // of the file, below the home directory
	document func(expires time.Time) object
	provider func(dir, endpoint string, c stschain.Clock, client *http.Client) stschain.Provider
	advice   string // for a user whose session has ended
}

type object = map[string]any

const loginSession = "arn:aws:sts::123456789012:assumed-role/Admin/ada"

var kinds = map[string]kind{
	"sso": {
		path: fmt.Sprintf(".aws/sso/cache/%x.json", sha1.Sum([]byte("work"))),
		document: func(expires time.Time) object {
			return object{
				"startUrl": "https://example.awsapps.com/start", "region": "eu-west-1", "accessToken": "access-0", "expiresAt": expires.UTC().Format(time.RFC3339),
				"clientId": "client", "clientSecret": "client secret", "refreshToken": "refresh-0",
			}
		},
		provider: func(dir, endpoint string, c stschain.Clock, client *http.Client) stschain.Provider {
			return &sso.Provider{
				Session: "work", Region: "eu-west-1", AccountID: "123456789012", RoleName: "Developer",
				CacheDir: dir, PortalEndpoint: endpoint, OIDCEndpoint: endpoint, Clock: c, HTTPClient: client,
			}
		},
		advice: "run aws sso login --sso-session work",
	},
	"login": {
		path: fmt.Sprintf(".aws/login/cache/%x.json", sha256.Sum256([]byte(loginSession))),
		document: func(expires time.Time) object {
			return object{
				"accessToken": object{
					"accessKeyId": "ASIA0", "secretAccessKey": "secret", "sessionToken": "token", "accountId": "123456789012",
					"expiresAt": expires.UTC().Format(time.RFC3339),
				},
				"clientId": "client", "refreshToken": "refresh-0", "dpopKey": newKey(),
			}
		},
		provider: func(dir, endpoint string, c stschain.Clock, client *http.Client) stschain.Provider {
			return &login.Provider{Session: loginSession, Profile: "dev", CacheDir: dir, Endpoint: endpoint, Clock: c, HTTPClient: client}
		},
		advice: "run aws login --profile dev",
	},
}

// newKey is one of those that sessions of aws login are bound to.
func newKey() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// eachKind runs a test for the sessions of both, at once.
func eachKind(t *testing.T, test func(t *testing.T, name string, k kind)) {
	t.Parallel()
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name, k)
		})
	}
}

// signIn makes a home directory with a session, and padding to make its file longer.
func signIn(t *testing.T, k kind, expires time.Time, padding int) (home string, content []byte) {
	t.Helper()
	home = t.TempDir()
	doc := k.document(expires)
	doc["padding"] = strings.Repeat("x", padding)
	content, err := json.Marshal(doc)
	require.NoError(t, err)
	file := filepath.Join(home, k.path)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, content, 0o644))
	return home, content
}

// generation is n of the file's refresh token, "refresh-n", if the file is whole.
func generation(t *testing.T, content []byte, padding int) string {
	t.Helper()
	var doc struct{ RefreshToken, ClientID, Padding string }
	require.NoError(t, json.Unmarshal(content, &doc), "%q", content)
	require.Equal(t, "client", doc.ClientID)
	require.Len(t, doc.Padding, padding)
	return strings.TrimPrefix(doc.RefreshToken, "refresh-")
}

// next is what another process gets, this one, with the session of a home.
func (k kind) next(home, endpoint string) string {
	return retrieve(k.provider(filepath.Dir(filepath.Join(home, k.path)), endpoint, nil, nil))
}

// service is where sessions of both kinds are refreshed, and the portal of AWS SSO.
type service struct {
	once     bool                // it redeems a refresh token once; false: again and again, for the same
	redeemed func(*http.Request) // called before the response to a refresh; nil: nothing

	mu       sync.Mutex
	last     int      // n of the latest refresh
	received []string // refresh tokens
}

func (s *service) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// redeem returns the number of the refresh that a refresh token leads to, 0 if none.
func (s *service) redeem(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, token)
	var n int
	if _, err := fmt.Sscanf(token, "refresh-%d", &n); err != nil || n > s.last || s.once && n < s.last {
		return 0
	}
	s.last = max(s.last, n+1)
	return n + 1
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.Method == http.MethodGet { // the portal
		n := strings.TrimPrefix(r.Header.Get("X-Amz-Sso_bearer_token"), "access-")
		reply(w, http.StatusOK, object{"roleCredentials": object{
			"accessKeyId": "ASIA" + n, "secretAccessKey": "secret", "sessionToken": "token", "expiration": time.Now().Add(9 * time.Hour).UnixMilli(),
		}})
		return
	}
	var in struct{ RefreshToken string }
	json.Unmarshal(body, &in)
	n := s.redeem(in.RefreshToken)
	if s.redeemed != nil {
		s.redeemed(r)
	}
	switch refresh := fmt.Sprintf("refresh-%d", n); {
	case n == 0:
		reply(w, http.StatusBadRequest, object{"error": "invalid_grant"})
	case r.URL.Path == "/v1/token":
		reply(w, http.StatusOK, object{"expiresIn": 900, "refreshToken": refresh, "accessToken": object{
			"accessKeyId": fmt.Sprintf("ASIA%d", n), "secretAccessKey": "secret", "sessionToken": "token",
		}})
	default:
		reply(w, http.StatusOK, object{"expiresIn": 3600, "refreshToken": refresh, "accessToken": fmt.Sprintf("access-%d", n)})
	}
}

func reply(w http.ResponseWriter, status int, body object) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// later is the real clock, set forward.
type later struct{ by time.Duration }

func (l *later) Now() time.Time { return time.Now().Add(l.by) }

// session is the program that uses a session. It replies to each line with one:
//
//	retrieve   "ASIA1", or the error, of several callers at once; what they get is the same
//	later 2h   "ok"; the clock is set forward
//	repair     "ok"; the fault is over
//	files      the files in the folder of the session's, in JSON
func session(o order) error {
	home := os.Getenv("HOME")
	file := filepath.Join(home, kinds[o.Kind].path)
	fault := faults[o.Fault]
	if fault.begin != nil {
		if err := fault.begin(home, file); err != nil {
			fmt.Println("it cannot be had here:", err)
			return nil
		}
	}
	client := &http.Client{Timeout: patience}
	if o.Fault == diesAfterResponse {
		client.Transport = suicidal{}
	}
	clock := &later{}
	p := kinds[o.Kind].provider(filepath.Dir(file), o.Endpoint, clock, client)
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		command, argument, _ := strings.Cut(lines.Text(), " ")
		said := "ok"
		var err error
		switch command {
		case "retrieve":
			said = retrieve(p)
		case "later":
			var by time.Duration
			by, err = time.ParseDuration(argument)
			clock.by += by
		case "repair":
			err = fault.repair(home, file)
		case "files":
			said, err = files(filepath.Dir(file))
		default:
			err = errors.New("what is " + command + "?")
		}
		if err != nil {
			said = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(said)
	}
	return nil
}

// retrieve is what callers get who come together.
func retrieve(p stschain.Provider) string {
	got := make(chan string)
	const callers = 5
	for range callers {
		go func() {
			creds, err := p.Retrieve(context.Background())
			if err != nil {
				got <- err.Error()
				return
			}
			got <- creds.AccessKeyID
		}()
	}
	all := map[string]bool{}
	for range callers {
		all[<-got] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " and ")
}

// files are those in a folder, in JSON.
func files(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	contents := map[string]string{}
	for _, e := range entries {
		content, readErr := os.ReadFile(filepath.Join(dir, e.Name()))
		err = errors.Join(err, readErr)
		contents[e.Name()] = string(content)
	}
	text, _ := json.Marshal(contents)
	return string(text), err
}

// diesAfterResponse is the fault of a process that is killed when it has read the whole response
// to its refresh, and done nothing with it.
const diesAfterResponse = "dies after the response"

// suicidal is the transport of that.
type suicidal struct{}

func (suicidal) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost {
		return resp, err
	}
	whole, err := io.ReadAll(resp.Body)
	resp.Body = deadly{bytes.NewReader(whole)}
	return resp, err
}

type deadly struct{ io.Reader }

func (deadly) Close() error {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
