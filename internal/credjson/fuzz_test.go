package credjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
)

// FuzzParse: what is taken is what encoding/json finds under the same names, it can be sent in
// a header, and written again it is read as the same. No error shows a secret.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"` + secret + `","Token":"t","Expiration":"2026-11-21T17:56:58Z","AccountId":"123456789012"}`,
		`{"accesskeyid":"A","SECRETACCESSKEY":"` + secret + `","token":null,"Expiration":"9999-12-31T23:59:59-2359"}`,
		`{"AccessKeyId":"A","AccessKeyID":"B"}`, `{"Expiration":"0001-01-01T00:00:00Z","AccessKeyId":"A","SecretAccessKey":"b"}`,
		`{"AccessKeyId":"A","SecretAccessKey":"b","Expiration":"2026-11-21T17:56:58+24:60"}`,
		`{"Code":"Failed","Message":"no ` + secret + `","SecretAccessKey":"` + secret + `"}`, "\xef\xbb\xbf{}", `{"ſecretAccessKey":"x"}`, `[]`, "", `{}{}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		shows := func(err error) bool {
			var said struct{ SecretAccessKey, Token string }
			_ = json.Unmarshal(body, &said) // of some bodies that are refused nothing is known
			return len(said.SecretAccessKey) > 20 && strings.Contains(err.Error(), said.SecretAccessKey) ||
				len(said.Token) > 20 && strings.Contains(err.Error(), said.Token)
		}
		doc, err := credjson.Parse(body, "Token")
		if err != nil {
			if doc != (credjson.Document{}) || shows(err) {
				t.Fatalf("%+v, %v", doc, err)
			}
			return
		}
		if said := doc.Refusal(); len(said) > 600 || strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("refusal %q", said)
		}
		creds, err := doc.Credentials("a test")
		if err != nil {
			if creds != (stschain.Credentials{}) || shows(err) {
				t.Fatalf("%+v, %v", creds, err)
			}
			return
		}
		for _, s := range []string{creds.AccessKeyID, creds.SessionToken.Reveal(), creds.AccountID} {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("%q cannot be sent", s)
			}
		}
		if creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() {
			t.Fatalf("incomplete: %+v", creds)
		}
		members := map[string]any{"AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey.Reveal(), "Token": creds.SessionToken.Reveal(), "AccountId": creds.AccountID}
		if !creds.Expires.IsZero() {
			members["Expiration"] = creds.Expires.Format(time.RFC3339Nano)
		}
		written, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		again, err := credjson.Parse(written, "Token")
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if got, err := again.Credentials("a test"); err != nil || !got.Expires.Equal(creds.Expires) || got.SecretAccessKey != creds.SecretAccessKey ||
			got.SessionToken != creds.SessionToken || got.AccessKeyID != creds.AccessKeyID || got.AccountID != creds.AccountID {
			t.Fatalf("%s is read as %+v, %v; it was %+v", written, got, err, creds)
		}
	})
}
