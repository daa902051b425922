package minio_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// A machine with a client certificate. The server, the authority and the certificate are made up here, so that this runs
// anywhere; otherwise CertificateFile and KeyFile are enough.
func ExampleCertificate() {
	ca, key := newAuthority(), newKey()
	leaf := ca.issue(key, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	})
	srv := ststest.New() // in a test: ststest.NewTest(t)
	srv.AddMinIO(ststest.MinIO{ClientCAs: []*x509.Certificate{ca.certificate}})
	server := httptest.NewUnstartedServer(srv)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())

	backup := stschain.Cached(&minio.Certificate{
		Client: &stsquery.Client{
			Endpoint: server.URL, // https://minio.example:9000
			HTTPClient: &http.Client{Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: authorities}, // for a server with a certificate of a private authority
			}},
		},
		Certificate: func(context.Context) (tls.Certificate, error) {
			return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}, nil
		},
	})
	creds, err := backup.Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, _ := srv.Caller(creds.AccessKeyID)
	fmt.Println(creds.Origin)
	fmt.Println(caller.ARN)
	// Output:
	// minio certificate
	// arn:minio:sts:::tls:readwrite
}

// A user of a directory. The password is read for each attempt, so that it can be changed.
func ExampleLDAP() {
	srv := ststest.New()
	srv.AddMinIO(ststest.MinIO{Passwords: map[string]stschain.Secret{"alice": stschain.NewSecret("correct horse")}})

	alice := &minio.LDAP{
		Client: &stsquery.Client{
			Endpoint:   "https://minio.example:9000",
			HTTPClient: srv.Client(), // leave it out to call MinIO
		},
		Username: "alice",
		Password: func(context.Context) (stschain.Secret, error) { return stschain.NewSecret("correct horse"), nil },
		Policy:   `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/*"}]}`,
		Duration: 12 * time.Hour,
	}
	session, err := alice.AssumeRoleWithLDAPIdentity(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(session.Credentials.Origin, session.Credentials.SecretAccessKey)
	// Output: minio ldap alice [redacted]
}

// A token that only the identity plug-in of the server can verify.
func ExampleCustomToken() {
	srv := ststest.New()
	srv.AddMinIO(ststest.MinIO{Tokens: map[string]stschain.Secret{"alice": stschain.NewSecret("opaque")}})

	alice := &minio.CustomToken{
		Client: &stsquery.Client{
			Endpoint:   "https://minio.example:9000",
			HTTPClient: srv.Client(), // leave it out to call MinIO
		},
		RoleARN: "arn:minio:iam:::role/idmp-test", // MinIO logs it when it starts
		Token:   func(context.Context) (stschain.Secret, error) { return stschain.NewSecret("opaque"), nil },
	}
	session, err := alice.AssumeRoleWithCustomToken(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(session.AssumedUser)
	// Output: custom:alice
}
