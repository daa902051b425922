package sso_test

import (
	"io/fs"
	"net/http"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

// stopped is a clock that does not go.
type stopped time.Time

func (s stopped) Now() time.Time { return time.Time(s) }

// Whatever is in the file, and whatever the services return, there are credentials or an
// error, and no request has what a header or a file cannot carry.
func FuzzFile(f *testing.F) {
	for _, file := range []string{
		`{"accessToken":"a","expiresAt":"2044-04-04T07:00:01Z","startURL":"start URL"}`,
		`{"accessToken":"a","expiresAt":"2044-04-04T00:00:01-07:00","refreshToken":"r","clientId":"c","clientSecret":"s"}`,
		`{"accessToken":"a","expiresAt":"2021-12-21T12:21:00UTC","refreshToken":"r","clientId":"c","clientSecret":"s","unknown":{"a":[1]}}`,
		`{"accessToken":"a","expiresAt":"2021-12-21T12:21:00Z","refreshToken":"r","clientId":"c","clientSecret":"s","registrationExpiresAt":"2021-12-21T12:21:00Z"}`,
		`{"accessToken":"a\n","expiresAt":"2044-04-04T07:00:01Z"}`, `{"startUrl":"x"}`, `{`, ``, `null`,
	} {
		f.Add([]byte(file), []byte(`{"accessToken":"b","expiresIn":3600,"refreshToken":"s"}`),
			[]byte(`{"roleCredentials":{"accessKeyId":"A","secretAccessKey":"S","sessionToken":"T","expiration":1795262400000}}`))
	}
	f.Fuzz(func(t *testing.T, file, token, role []byte) {
		p := &sso.Provider{
			Session: "work", StartURL: startURL, Region: "eu-west-1", AccountID: "1", RoleName: "r", CacheDir: "cache", MaxAttempts: 1,
			Clock: stopped(noon),
			Open: func(path string) (fs.File, error) {
				return fstest.MapFS{"cache/" + fileOfSession: {Data: file}}.Open(path)
			},
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				body := role
				if r.Method == http.MethodPost {
					body = token
				}
				return responseOf(body), nil
			})},
		}
		var creds stschain.Credentials
		var err error
		synctest.Test(t, func(t *testing.T) { creds, err = p.Retrieve(t.Context()) }) // for files that are looked at again
		switch {
		case stschain.IsUnavailable(err):
			t.Fatal(err)
		case err == nil && (creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() || creds.SessionToken.IsZero() || creds.Expires.IsZero()):
			t.Fatalf("%+v", creds)
		case err != nil && creds != stschain.Credentials{}:
			t.Fatalf("%+v with %v", creds, err)
		}
	})
}
