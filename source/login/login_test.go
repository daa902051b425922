package login_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/login"
)

func TestFresh(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Hour)))
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, stschain.Credentials{
		AccessKeyID: "ASIAOLD", SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(token),
		AccountID: "123456789012", Expires: noon.Add(time.Hour), Origin: "login " + arn,
	}, creds)
	require.Empty(t, w.service.requests)
}

func TestWindow(t *testing.T) {
	for left, want := range map[time.Duration]string{
		5*time.Minute + time.Second: "ASIAOLD",
		5 * time.Minute:             "ASIANEW1",
		time.Second:                 "ASIANEW1",
		0:                           "ASIANEW1",
		-12 * time.Hour:             "ASIANEW1",
	} {
		w := newWorld(t, document(noon.Add(left)))
		creds, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, creds.AccessKeyID, left)
	}
}

func TestRefresh(t *testing.T) {
	before := with(document(noon), object{"signInRegion": "eu-west-1", "later": object{"a": []any{1.5, nil, "<&>"}}})
	before["accessToken"] = with(before["accessToken"].(object), object{"later": "yes"})
	w := newWorld(t, before)
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	want := stschain.Credentials{
		AccessKeyID: "ASIANEW1", SecretAccessKey: stschain.NewSecret(secret + "-1"), SessionToken: stschain.NewSecret(token + "-1"),
		AccountID: "123456789012", Expires: noon.Add(15 * time.Minute), Origin: "login " + arn,
	}
	require.Equal(t, want, creds)
	require.Equal(t, []string{"https://eu-west-1.signin.aws.amazon.com/v1/token"}, w.service.requests)

	after := with(before, object{"refreshToken": refresh + "-1"})
	after["accessToken"] = object{
		"accessKeyId": "ASIANEW1", "secretAccessKey": secret + "-1", "sessionToken": token + "-1",
		"accountId": "123456789012", "expiresAt": "2026-11-21T12:15:00Z", "later": "yes",
	}
	require.Equal(t, after, w.read(t))
	info, err := os.Stat(w.file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	again, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, again)
	require.Equal(t, 1, w.service.gave)

	w.clock.Add(10 * time.Minute)
	creds, err = w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIANEW2", creds.AccessKeyID)
}

func TestFilePermissions(t *testing.T) {
	for _, test := range []struct {
		value        string // of the variable; "": it is not set
		before, want os.FileMode
		wantErr      bool
	}{
		{"", 0o644, 0o600, false},
		{" ", 0o644, 0o600, false},
		{"user_read_write", 0o644, 0o600, false},
		{"USER_READ_WRITE", 0o600, 0o600, false},
		{"unrestricted", 0o640, 0o640, false},
		{"UNRESTRICTED", 0o666, 0o666, false},
		{"unrestricted", 0o600, 0o600, false},
		{"0600", 0o644, 0o644, true},
		{"user-read-write", 0o644, 0o644, true},
	} {
		t.Run(fmt.Sprintf("%q of %o", test.value, test.before), func(t *testing.T) {
			w := newWorld(t, document(noon))
			w.LookupEnv = func(name string) (string, bool) {
				return test.value, name == "AWS_RESTRICT_FILE_PERMISSIONS" && test.value != ""
			}
			require.NoError(t, os.Chmod(w.file, test.before))
			_, err := w.Retrieve(t.Context())
			if test.wantErr {
				require.EqualError(t, err, fmt.Sprintf("login %s: AWS_RESTRICT_FILE_PERMISSIONS is %q: it can be user_read_write or unrestricted", arn, test.value))
				require.ErrorIs(t, err, stschain.ErrPermanent)
				require.Empty(t, w.service.requests)
			} else {
				require.NoError(t, err)
				require.Equal(t, refresh+"-1", w.read(t)["refreshToken"])
			}
			if runtime.GOOS != "windows" {
				info, err := os.Stat(w.file)
				require.NoError(t, err)
				require.Equal(t, test.want, info.Mode())
			}
		})
	}
}

// TestOpen: who brings files of their own has none written.
func TestOpen(t *testing.T) {
	w := newWorld(t, document(noon))
	real := w.CacheDir
	w.CacheDir = "nowhere"
	w.Open = func(path string) (fs.File, error) {
		if path != filepath.Join("nowhere", fileName) {
			t.Errorf("opened %s", path)
		}
		return os.Open(w.file)
	}
	for range 2 {
		creds, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ASIANEW1", creds.AccessKeyID)
	}
	require.Equal(t, refresh, w.read(t)["refreshToken"])
	entries, err := os.ReadDir(real)
	require.NoError(t, err)
	require.Len(t, entries, 1, "a lock was left")
}

// TestKeptToken: RFC 6749, 6, allows a response without a new refresh token.
func TestKeptToken(t *testing.T) {
	w := newWorld(t, document(noon))
	w.service.next(200, `{"accessToken":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t"},"expiresIn":900}`, 1)
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, refresh, w.read(t)["refreshToken"])
}

func TestInvalidate(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Hour)))
	old, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	w.Invalidate(stschain.Credentials{AccessKeyID: "of another"})
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, old, creds)
	w.Invalidate(old)
	creds, err = w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIANEW1", creds.AccessKeyID)

	// One who rejects whatever is returned causes a refresh every 1 to 5 s.
	w.Invalidate(creds)
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "a service rejected the credentials right after they were refreshed")
	require.Equal(t, 1, w.service.gave)
	w.clock.Add(5 * time.Second)
	creds, err = w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIANEW2", creds.AccessKeyID)

	// Rejected credentials are not returned again.
	w.clock.Add(5 * time.Second)
	w.Invalidate(creds)
	w.service.next(400, "{}", 1)
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "returned 400")
}

// When the session has ended its credentials are not returned, although they have not expired; a new
// one counts at once.
func TestSessionEnded(t *testing.T) {
	w := newWorld(t, document(noon.Add(5*time.Minute)))
	a := refusal(401, "TOKEN_EXPIRED")
	w.service.next(a.status, a.body, 9)
	for _, step := range []struct {
		at       time.Duration
		requests int
	}{{0, 1}, {time.Second - 1, 1}, {5 * time.Second, 2}} {
		w.clock.Set(noon.Add(step.at))
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "the session has ended")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Len(t, w.service.requests, step.requests)
	}
	w.write(t, document(noon.Add(time.Hour)))
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIAOLD", creds.AccessKeyID)
}

// TestFiles is about files that hold no session.
func TestFiles(t *testing.T) {
	hour := document(noon.Add(time.Hour))
	accessToken := func(others object) object {
		return with(hour, object{"accessToken": with(hour["accessToken"].(object), others)})
	}
	for _, tt := range []struct {
		name string
		doc  object
		want string
	}{
		{"no accessToken", with(hour, object{"accessToken": nil}), "it has no accessToken"},
		{"accessToken is text", with(hour, object{"accessToken": secret}), "accessToken is not an object"},
		{"no key ID", accessToken(object{"accessKeyId": nil}), "invalid accessToken: it has no accessKeyId"},
		{"in another case", accessToken(object{"accessKeyId": nil, "AccessKeyId": "A"}), "invalid accessToken: it has no accessKeyId"},
		{"no secret", accessToken(object{"secretAccessKey": nil}), "invalid accessToken: it has no secretAccessKey"},
		{"a line break", accessToken(object{"secretAccessKey": secret + "\n"}), "its SecretAccessKey has control characters"},
		{"no token", accessToken(object{"sessionToken": ""}), "invalid accessToken: it has no sessionToken"},
		{"a token of two words", accessToken(object{"sessionToken": secret + " " + secret}), "its session token has spaces"},
		{"no expiry", accessToken(object{"expiresAt": nil}), "invalid accessToken: it has no expiresAt"},
		{"expiry", accessToken(object{"expiresAt": secret}), "expiresAt is not a valid time"},
		{"expiry as a number", accessToken(object{"expiresAt": 5}), "expiresAt is not a string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.doc)
			_, err := w.Retrieve(t.Context())
			require.ErrorContains(t, err, "login "+arn+": cannot use "+w.file+": ")
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "; run aws login --profile dev")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			require.Empty(t, w.service.requests)
		})
	}
	for name, content := range map[string]string{"empty": "", "no JSON": "{" + secret, "a list": "[]", "null": "null", "no UTF-8": "{\"a\":\"\xff\"}"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			require.NoError(t, os.WriteFile(w.file, []byte(content), 0o600))
			_, err := w.Retrieve(t.Context())
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.ErrorContains(t, err, "run aws login --profile dev")
		})
	}
	t.Run("there is none", func(t *testing.T) {
		w := newWorld(t, nil)
		_, err := w.Retrieve(t.Context())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.EqualError(t, err, "login "+arn+": not signed in: "+w.file+" does not exist; run aws login --profile dev")
	})
	t.Run("it may not be read", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root reads all files")
		}
		w := newWorld(t, hour)
		require.NoError(t, os.Chmod(w.file, 0))
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "cannot read "+w.file+": permission denied: give this program access")
		require.ErrorIs(t, err, stschain.ErrPermanent)
	})
	t.Run("it is a folder", func(t *testing.T) {
		w := newWorld(t, nil)
		require.NoError(t, os.Mkdir(w.file, 0o700))
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "is a directory")
	})
}

// TestUnrefreshable: what only a refresh needs is missed when one is due, and then only if the
// credentials have expired.
func TestUnrefreshable(t *testing.T) {
	for name, tt := range map[string]struct {
		member object
		want   string
	}{
		"no client":        {object{"clientId": nil}, "it has no clientId"},
		"no refresh token": {object{"refreshToken": nil}, "it has no refreshToken"},
		"empty token":      {object{"refreshToken": ""}, "it has no refreshToken"},
		"no key":           {object{"dpopKey": nil}, "it has no dpopKey"},
		"key as a number":  {object{"dpopKey": 5}, "dpopKey is not a string"},
		"tampered key":     {object{"dpopKey": strings.Replace(key, "MHcCAQEE", "MHcCAQUE", 1)}, "cannot read dpopKey"},
		"Ed25519 key":      {object{"dpopKey": ed25519}, "dpopKey is not an EC key"},
		"P-384 key":        {object{"dpopKey": p384}, "dpopKey is on a curve other than P-256"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, with(document(noon.Add(time.Minute)), tt.member))
			creds, err := w.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, "ASIAOLD", creds.AccessKeyID)
			w.clock.Add(time.Minute)
			_, err = w.Retrieve(t.Context())
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.ErrorContains(t, err, "the access token, valid until 2026-11-21T12:01:00Z, cannot be refreshed: "+tt.want)
			require.ErrorContains(t, err, "; run aws login --profile dev")
			require.Empty(t, w.service.requests)
		})
	}
}

func TestWhere(t *testing.T) {
	content, err := json.Marshal(document(noon.Add(1000 * time.Hour)))
	require.NoError(t, err)
	home := t.TempDir()
	for _, dir := range []string{"given", "variable", filepath.Join(".aws", "login", "cache"), "tilde"} {
		require.NoError(t, os.MkdirAll(filepath.Join(home, dir), 0o700))
	}
	env := func(vars map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	}
	for _, tt := range []struct {
		name  string
		p     *login.Provider
		where string
	}{
		{"CacheDir", &login.Provider{CacheDir: filepath.Join(home, "given"), LookupEnv: env(map[string]string{"AWS_LOGIN_CACHE_DIRECTORY": "/x"})}, "given"},
		{"AWS_LOGIN_CACHE_DIRECTORY", &login.Provider{Home: "/x", LookupEnv: env(map[string]string{"AWS_LOGIN_CACHE_DIRECTORY": filepath.Join(home, "variable")})}, "variable"},
		{"with ~", &login.Provider{Home: home, LookupEnv: env(map[string]string{"AWS_LOGIN_CACHE_DIRECTORY": "~/tilde"})}, "tilde"},
		{"blank", &login.Provider{Home: home, LookupEnv: env(map[string]string{"AWS_LOGIN_CACHE_DIRECTORY": " "})}, ".aws/login/cache"},
		{"HOME", &login.Provider{LookupEnv: env(map[string]string{"HOME": home})}, ".aws/login/cache"},
		{"USERPROFILE", &login.Provider{LookupEnv: env(map[string]string{"USERPROFILE": home})}, ".aws/login/cache"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(home, filepath.FromSlash(tt.where), fileName)
			require.NoError(t, os.WriteFile(file, content, 0o600))
			defer os.Remove(file)
			tt.p.Session = " " + arn + "\n" // is trimmed
			creds, err := tt.p.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, "ASIAOLD", creds.AccessKeyID)
		})
	}
	t.Run("the machine's own", func(t *testing.T) {
		t.Setenv("AWS_LOGIN_CACHE_DIRECTORY", "")
		t.Setenv("HOME", home)
		t.Setenv("USERPROFILE", home)
		_, err := (&login.Provider{Session: arn}).Retrieve(t.Context())
		require.ErrorContains(t, err, "not signed in: "+filepath.Join(home, ".aws", "login", "cache", fileName)+" does not exist; run aws login")
	})
	t.Run("no home", func(t *testing.T) {
		_, err := (&login.Provider{Session: arn, LookupEnv: env(nil)}).Retrieve(t.Context())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.ErrorContains(t, err, "there is no home directory")
	})
}

func TestNothingGiven(t *testing.T) {
	for _, p := range []*login.Provider{{}, {Session: " "}} {
		_, err := p.Retrieve(t.Context())
		require.EqualError(t, err, "login: Session is empty")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		p.Invalidate(stschain.Credentials{AccessKeyID: "A"})
		require.Equal(t, "login", p.String())
	}
}

func TestString(t *testing.T) {
	require.Equal(t, "login "+arn, (&login.Provider{Session: " " + arn}).String())
	require.Equal(t, "login", (&login.Provider{Session: secret}).String(), "what is not an ARN may be a secret in the wrong place")
}

// TestCallerLeaves: nothing is served to who has left.
func TestCallerLeaves(t *testing.T) {
	gone := errors.New("shutting down")
	w := newWorld(t, document(noon.Add(time.Minute)))
	ctx, cancel := context.WithCancelCause(t.Context())
	w.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		cancel(gone)
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	_, err := w.Retrieve(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, gone)
	require.NotErrorIs(t, err, stschain.ErrPermanent)
}
