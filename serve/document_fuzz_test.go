package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/serve"
)

// FuzzDocuments: our own sources read the documents of both protocols as the same credentials, with no
// later expiry. Credentials that cannot be served are an error without them.
func FuzzDocuments(f *testing.F) {
	f.Add("ASIAEXAMPLE", secret, "session+token==", "123456789012", int64(time.Hour))
	f.Add("A", "<&>\u2028/", "", "", int64(0))
	f.Add("A\xff", "s", "t", "1", int64(time.Second-1))
	f.Add("", "", "", "", int64(-1))
	f.Add("A", "s", "t", "=", int64(time.Second))
	f.Fuzz(func(t *testing.T, id, key, session, account string, left int64) {
		c := stschain.Credentials{AccessKeyID: id, SecretAccessKey: stschain.NewSecret(key), SessionToken: stschain.NewSecret(session), AccountID: account, Origin: "a fuzzer"}
		if left != 0 {
			c.Expires = noon.Add(time.Duration(left))
		}
		known := "" // readers ignore an invalid account
		if credjson.IsAccount(account) {
			known = account
		}
		read := func(body []byte, tokenName string) {
			t.Helper()
			doc, err := credjson.Parse(body, tokenName)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			got, err := doc.Credentials(c.Origin)
			if err != nil {
				return // ours refuse characters that are not valid in requests
			}
			if got.AccessKeyID != id || got.SecretAccessKey != c.SecretAccessKey || got.SessionToken != c.SessionToken || got.AccountID != known ||
				left != 0 && (got.Expires.After(c.Expires) || c.Expires.Sub(got.Expires) >= time.Second) {
				t.Fatalf("%s is read as %+v", body, got)
			}
		}
		h := &serve.Handler{Credentials: providing(c), Token: stschain.NewSecret(token), Clock: at(noon)}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request())
		if w.Code == http.StatusOK {
			read(w.Body.Bytes(), "Token")
		} else if !json.Valid(w.Body.Bytes()) || len(key) > 20 && strings.Contains(w.Body.String(), key) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		valid := c
		if left != 0 { // WriteProcess uses the real clock
			valid.Expires = time.Now().Add(time.Duration(left))
			c.Expires = valid.Expires
		}
		var out bytes.Buffer
		err := serve.WriteProcess(context.Background(), &out, providing(valid))
		switch {
		case err == nil:
			read(out.Bytes(), "SessionToken")
		case out.Len() > 0 || len(key) > 20 && strings.Contains(err.Error(), key):
			t.Fatalf("%q and %v", out.String(), err)
		}
	})
}
