package sso_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

// FuzzRefusal: an invalid response of either service is an error of one line, bounded and
// without the tokens, were they echoed; and no chain falls through to another identity.
func FuzzRefusal(f *testing.F) {
	for _, body := range []string{
		`{"message":"Session token not found or invalid","__type":"com.amazonaws.switchboard.portal#UnauthorizedException"}`,
		`{"error":"invalid_grant","error_description":"ECHO"}`, `{"__type":"x#ECHO"}`, `{"message":"\u001b[2J\r\nX: 1"}`, `<html>`, ``, `{"error":1}`,
	} {
		f.Add(401, body, "")
		f.Add(403, body, "ECHO:http://internal/")
		f.Add(503, body, "UnauthorizedException")
	}
	f.Fuzz(func(t *testing.T, status int, body, kind string) {
		w := newWorld(t, document(noon.Add(time.Hour)))
		status = 300 + (status-300)&0xff
		w.MaxAttempts = 1
		secrets := []string{access, refreshToken, clientSecret}
		w.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			text := strings.ReplaceAll(body, "ECHO", strings.Join(secrets, " "))
			return &http.Response{StatusCode: status, Header: http.Header{"X-Amzn-Errortype": {strings.ReplaceAll(kind, "ECHO", access)}},
				Body: io.NopCloser(bytes.NewReader([]byte(text))), Request: r}, nil
		})}
		var creds stschain.Credentials
		var err error
		synctest.Test(t, func(t *testing.T) {
			p := &sso.Provider{Session: w.Session, StartURL: w.StartURL, Region: w.Region, AccountID: "1", RoleName: "r", CacheDir: w.CacheDir, MaxAttempts: 1, Clock: w.Clock, HTTPClient: w.HTTPClient}
			creds, err = p.Retrieve(t.Context())
		})
		if err == nil || stschain.IsUnavailable(err) || creds != (stschain.Credentials{}) {
			t.Fatalf("%+v, %v", creds, err)
		}
		text := err.Error()
		if len(text) > 4000 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Fatalf("%q", text)
		}
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Fatalf("%q shows %s", text, s)
			}
		}
		if status >= 500 && errors.Is(err, stschain.ErrPermanent) {
			t.Fatalf("%v is permanent", err)
		}
	})
}
