package iot_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/source/iot"
	"github.com/stschain-go/stschain/ststest"
)

// A role for a device with a certificate. The service, the authority and the certificate are made up here, so that this
// runs anywhere; otherwise CertificateFile and KeyFile are enough.
func Example() {
	ca := pki.Root()
	certificate := ca.Issue(pki.EC(), func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	})
	srv := ststest.New() // in a test: ststest.NewTest(t)
	defer srv.Close()
	srv.AddRoleAlias(ststest.RoleAlias{
		Name: "camera-upload", RoleARN: "arn:aws:iam::123456789012:role/camera", Certificates: []*x509.Certificate{ca.Certificate},
	})
	devices := httptest.NewUnstartedServer(srv)
	devices.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	devices.StartTLS()
	defer devices.Close()

	role := stschain.Cached(&iot.Provider{
		Endpoint:     devices.URL, // what `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints
		RoleAlias:    "camera-upload",
		ThingName:    "camera-0042",
		Certificates: func(context.Context) ([]*x509.Certificate, error) { return []*x509.Certificate{certificate}, nil },
		Signer:       func(context.Context) (crypto.Signer, error) { return pki.EC(), nil },
		HTTPClient:   devices.Client(), // which trusts the certificate of the server
	})
	creds, err := role.Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, _ := srv.Caller(creds.AccessKeyID)
	fmt.Println(caller.ARN[:len("arn:aws:sts::123456789012:assumed-role/camera")])
	// Output: arn:aws:sts::123456789012:assumed-role/camera
}
