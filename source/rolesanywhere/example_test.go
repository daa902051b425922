package rolesanywhere_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

// A role for a machine with a certificate. The service, the authority and the certificate are made up here, so that this
// runs anywhere; otherwise CertificateFile and KeyFile are enough.
func Example() {
	ca := pki.Root()
	certificate := ca.Issue(pki.EC(), func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	})
	srv := ststest.New() // in a test: ststest.NewTest(t)
	defer srv.Close()
	srv.AddTrustAnchor(ststest.TrustAnchor{
		ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{ca.Certificate},
	})

	backup := stschain.Cached(&rolesanywhere.Provider{
		TrustAnchorARN: "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b",
		ProfileARN:     "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d",
		RoleARN:        "arn:aws:iam::123456789012:role/team/backup",
		Certificates:   func(context.Context) ([]*x509.Certificate, error) { return []*x509.Certificate{certificate}, nil },
		Signer:         func(context.Context) (crypto.Signer, error) { return pki.EC(), nil },
		HTTPClient:     srv.Client(),
	})
	creds, err := backup.Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, _ := srv.Caller(creds.AccessKeyID)
	fmt.Println(caller.ARN, "for", caller.SourceIdentity)
	// Output:
	// arn:aws:sts::123456789012:assumed-role/backup/1267 for worker
}
