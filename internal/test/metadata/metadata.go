// Package metadata is the metadata service of an EC2 instance, for tests.
package metadata

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stschain-go/stschain"
)

const (
	session = "canary/metadata-token"
	roles   = "/latest/meta-data/iam/security-credentials/"
)

// NewServer returns the URL of a service, of version 2, for an instance in eu-west-1 whose role has that name and these
// credentials. It is closed when the test ends.
func NewServer(t *testing.T, role string, c stschain.Credentials) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		io.WriteString(w, session)
	})
	get := func(path string, body func() string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Aws-Ec2-Metadata-Token") != session {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, body())
		})
	}
	get("/latest/meta-data/placement/region", func() string { return "eu-west-1" })
	get(roles+"{$}", func() string { return role })
	get(roles+role, func() string {
		document, _ := json.Marshal(map[string]string{
			"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey.Reveal(),
			"Token": c.SessionToken.Reveal(), "Expiration": time.Now().Add(6 * time.Hour).UTC().Format(time.RFC3339),
		})
		return string(document)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
