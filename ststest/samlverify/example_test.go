package samlverify_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/ststest/samlverify"
)

func ExampleVerifier() {
	idp, err := newCorp() // crewjam's identity provider, in process
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := ststest.New()
	defer srv.Close()
	srv.VerifyAssertion = (&samlverify.Verifier{Certificates: []*x509.Certificate{idp.IDP.Certificate}}).Verify

	response, err := idp.response()
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &stsquery.Client{Region: "eu-west-1", HTTPClient: srv.Client()}
	out, err := client.AssumeRoleWithSAML(context.Background(), stsquery.AssumeRoleWithSAMLInput{
		RoleARN:       "arn:aws:iam::123456789012:role/backup",
		PrincipalARN:  "arn:aws:iam::123456789012:saml-provider/corp",
		SAMLAssertion: stschain.NewSecret(base64.StdEncoding.EncodeToString(response)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.AssumedRoleUser.ARN, "is", out.Subject)
	// Output:
	// arn:aws:sts::123456789012:assumed-role/backup/alice is alice@corp.example
}
