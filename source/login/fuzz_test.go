package login_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/source/login"
)

// FuzzFile reads any file, and refreshes what can be: what comes out can be used, and what was
// in the file and is none of our business is in it afterwards.
func FuzzFile(f *testing.F) {
	for _, doc := range []object{
		document(noon.Add(time.Hour)), document(noon), with(document(noon), object{"later": object{"a": 1.5}}),
		with(document(noon), object{"dpopKey": p384}), {"accessToken": object{}}, {},
	} {
		content, err := json.Marshal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Add([]byte(`{"accessToken":null,"accessToken":{"AccessKeyId":"A","accessKeyId":"B"}}`))
	dir := f.TempDir()
	now := clock.NewMock()
	now.Set(noon)
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := tokenfile.Parse(content); err != nil {
			return // it would be read again for a while; package tokenfile has a fuzz target for that
		}
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		p := &login.Provider{
			Session: arn, CacheDir: dir, Region: "eu-west-1", Clock: now,
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if _, err := verify(r.Header.Values("DPoP")); err != nil {
					t.Error(err)
				}
				return reply(200, `{"accessToken":{"accessKeyId":"NEW","secretAccessKey":"s","sessionToken":"t"},"expiresIn":900,"refreshToken":"r"}`), nil
			})},
		}
		creds, err := p.Retrieve(t.Context())
		after, _ := os.ReadFile(path)
		switch {
		case err != nil:
			if !errors.Is(err, stschain.ErrPermanent) || stschain.IsUnavailable(err) || string(after) != string(content) {
				t.Errorf("%v; the file: %s", err, after)
			}
			return
		case creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() || creds.SessionToken.IsZero() || creds.ExpiredAt(noon):
			t.Errorf("%+v cannot be used", creds)
		}
		if creds.AccessKeyID != "NEW" {
			return
		}
		var was, is map[string]json.RawMessage
		if json.Unmarshal(after, &is) != nil || json.Unmarshal([]byte(strings.TrimPrefix(string(content), "\xef\xbb\xbf")), &was) != nil {
			t.Fatalf("it was %s and is %s", content, after)
		}
		if again, err := p.Retrieve(t.Context()); err != nil || again.AccessKeyID != "NEW" {
			t.Errorf("what was written cannot be used: %s, %v", after, err)
		}
		for name := range was {
			if _, ok := is[name]; !ok {
				t.Errorf("%q was lost", name)
			}
		}
	})
}

// FuzzKey reads any key: what it signs with is a key on P-256, or there is an error that shows
// nothing of it.
func FuzzKey(f *testing.F) {
	for _, k := range keys {
		f.Add(k.pem)
	}
	f.Fuzz(func(t *testing.T, pem string) {
		signed, err := login.ParseKey(pem)
		if err != nil {
			if len(pem) > 20 && strings.Contains(err.Error(), pem) {
				t.Errorf("%v", err)
			}
			return
		}
		if _, err := verify([]string{signed}); err != nil {
			t.Error(err)
		}
	})
}

// FuzzAnswer reads any response: an error that shows nothing of it, or credentials that live for
// at most 12 hours.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"accessToken":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t"},"expiresIn":900,"refreshToken":"r"}`))
	f.Add([]byte(`{"accessToken":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t"},"expiresIn":9e2}`))
	f.Add([]byte(`{"accessToken":null,"expiresIn":43200}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		creds, _, err := login.ParseAnswer(body)
		if err != nil {
			return
		}
		if creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() || creds.SessionToken.IsZero() ||
			creds.ExpiredAt(time.Unix(0, 0)) || !creds.ExpiredAt(time.Unix(0, 0).Add(12*time.Hour)) {
			t.Errorf("%+v", creds)
		}
	})
}
