package stsquery

import (
	"context"

	"github.com/stschain-go/stschain"
)

// CertificateInput is the input of MinIO's AssumeRoleWithCertificate, whose responses are among the
// recorded ones.
type CertificateInput struct{}

func (CertificateInput) operation() operation {
	return operation{name: "AssumeRoleWithCertificate", unsigned: true}
}
func (CertificateInput) check(*rules)  {}
func (CertificateInput) encode(*query) {}

// CallWithCertificate calls it.
func (c *Client) CallWithCertificate(ctx context.Context) (creds stschain.Credentials, requestID string, err error) {
	err = c.call(ctx, CertificateInput{}, decoder(func(r result) (err error) {
		requestID = r.requestID
		creds, err = r.credentials()
		return err
	}))
	return creds, requestID, err
}

// Outputs returns a new output of each operation.
func Outputs() map[string]output {
	return map[string]output{
		"AssumeRole":                 new(AssumeRoleOutput),
		"AssumeRoleWithSAML":         new(AssumeRoleWithSAMLOutput),
		"AssumeRoleWithWebIdentity":  new(AssumeRoleWithWebIdentityOutput),
		"AssumeRoot":                 new(AssumeRootOutput),
		"DecodeAuthorizationMessage": new(DecodeAuthorizationMessageOutput),
		"GetAccessKeyInfo":           new(GetAccessKeyInfoOutput),
		"GetCallerIdentity":          new(GetCallerIdentityOutput),
		"GetDelegatedAccessToken":    new(GetDelegatedAccessTokenOutput),
		"GetFederationToken":         new(GetFederationTokenOutput),
		"GetSessionToken":            new(GetSessionTokenOutput),
		"GetWebIdentityToken":        new(GetWebIdentityTokenOutput),
	}
}

var IsJSON = isJSON
