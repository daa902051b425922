package stsquery

import (
	"context"

	"github.com/stschain-go/stschain"
)

// CertificateInput asks MinIO's AssumeRoleWithCertificate, which is not STS's.
// Its answers are among those that were recorded.
type CertificateInput struct{}

func (CertificateInput) operation() operation {
	return operation{name: "AssumeRoleWithCertificate", unsigned: true}
}
func (CertificateInput) check(*rules)  {}
func (CertificateInput) encode(*query) {}

// CallWithCertificate calls it.
func (c *Client) CallWithCertificate(ctx context.Context) (creds stschain.Credentials, requestID string, err error) {
	err = c.call(ctx, CertificateInput{}, func(result *element, id string) (err error) {
		requestID = id
		creds, err = credentialsOf(result, "AssumeRoleWithCertificate")
		return err
	})
	return creds, requestID, err
}

// Output is what an operation answers.
type Output interface {
	decode(result *element, requestID string) error
}

// Outputs are new ones, by operation.
func Outputs() map[string]Output {
	return map[string]Output{
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

// Decode reads an answer's body into an output.
func Decode(body []byte, operation string, out Output) error {
	root, err := parseXML(body)
	if err != nil {
		return err
	}
	result, err := resultOf(root, operation)
	if err != nil {
		return err
	}
	return out.decode(result, requestIDOf(root))
}

var IsJSON = isJSON
