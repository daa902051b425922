package minio

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/stschain-go/stschain/stsquery"
)

// Derive returns the client of a flow.
func Derive(t *testing.T, of *stsquery.Client) *stsquery.Client {
	t.Helper()
	own, err := new(derived).client(of, nil)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

var CheckPolicy = checkPolicy

func InQuery(base http.RoundTripper) http.RoundTripper { return inQuery{base} }

// ParseKeyPair parses and checks two files.
func ParseKeyPair(certificate, key []byte, now time.Time) (*tls.Certificate, error) {
	pair, err := parseKeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	checked, err := newKeyPair(pair, now)
	if err != nil {
		return nil, err
	}
	return checked.certificate(), nil
}
