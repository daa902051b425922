package docs_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/iot"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

// callCases make the errors of calls in the tables of texts.
var callCases = map[string]func(t *testing.T) error{
	"MFA, half": func(*testing.T) error {
		return retrieve(&sessiontoken.Provider{Client: &stsquery.Client{Region: "eu-west-1"}, SerialNumber: "arn:aws:iam::123456789012:mfa/alice"})
	},
	"sts, region": func(*testing.T) error { return call(&stsquery.Client{}, nil) },
	"sts, no credentials": func(*testing.T) error {
		_, err := (&stsquery.Client{Region: "eu-west-1"}).GetCallerIdentity(context.Background())
		return err
	},
	"sts, base": func(*testing.T) error {
		return retrieve(&assumerole.Provider{Client: &stsquery.Client{Region: "eu-west-1", Credentials: &env.Provider{LookupEnv: variables()}}, RoleARN: roleARN})
	},
	"sts, http": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1", Endpoint: "http://sts.example.com"}, nil)
	},
	"sts, HTML": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1"}, respond{status: http.StatusOK, body: "<html>"})
	},
	"sts, HTML 502": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1"}, respond{status: http.StatusBadGateway, body: "<html>"})
	},
	"sts, redirect": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1"}, respond{status: http.StatusFound, header: http.Header{"Location": {"https://portal.example.com/"}}})
	},
	"sts, huge": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1"}, respond{status: http.StatusOK, body: strings.Repeat("x", 2<<20)})
	},
	"sts, no DNS": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1"}, fail{errors.New("dial tcp: lookup sts.eu-west-1.amazonaws.com: no such host")})
	},
	"sts, timeout": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1", AttemptTimeout: time.Nanosecond}, waits{})
	},
	"sts, TLS": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1"}, fail{&tls.CertificateVerificationError{Err: errors.New("x509: certificate signed by unknown authority")}})
	},
	"sts, limits": func(*testing.T) error {
		return retrieve(&assumerole.Provider{Client: &stsquery.Client{Region: "eu-west-1", Credentials: stschain.Static("AKIDEXAMPLE", "SECRET", "")}, RoleARN: "backup", SessionName: "a b", Duration: time.Minute})
	},
	"sts, secret in the response": func(*testing.T) error {
		return call(&stsquery.Client{Region: "eu-west-1"}, respond{status: http.StatusBadRequest, body: `<ErrorResponse><Error><Code>ValidationError</Code><Message>AKIDEXAMPLE SECRET</Message></Error></ErrorResponse>`})
	},
	"sigv4, body": func(t *testing.T) error {
		transport := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: stschain.Static("AKIDEXAMPLE", "SECRET", ""), MaxBody: 1, Base: respond{status: http.StatusOK}}
		_, err := (&http.Client{Transport: transport}).Post("https://bucket.s3.eu-west-1.amazonaws.com/", "", io.MultiReader(bytes.NewReader(make([]byte, 100_000))))
		return err
	},
	"sigv4, http": func(*testing.T) error { return send(&sigv4.Transport{}, "http://bucket.s3.eu-west-1.amazonaws.com/") },
	"sigv4, redirect": func(*testing.T) error {
		return send(&sigv4.Transport{Base: respond{status: http.StatusFound, header: http.Header{"Location": {"https://other.example.com/"}}}}, "https://bucket.s3.eu-west-1.amazonaws.com/")
	},
	"sigv4, hosts": func(*testing.T) error {
		return send(&sigv4.Transport{Hosts: []string{"*.amazonaws.com"}}, "https://other.example.com/")
	},
	"sigv4, signed": func(*testing.T) error {
		return send(&sigv4.Transport{}, "https://bucket.s3.eu-west-1.amazonaws.com/?X-Amz-Signature=a")
	},
	"sigv4, percent": func(*testing.T) error {
		return send(&sigv4.Transport{}, "https://bucket.s3.eu-west-1.amazonaws.com/?a=%")
	},
	"sigv4, unsigned": func(*testing.T) error {
		return send(&sigv4.Transport{UnsignedPayload: true, AllowHTTP: true}, "http://minio.example.com/")
	},
	"federation, redirect": func(*testing.T) error { return signIn(http.StatusFound, 0) },
	"federation, duration": func(*testing.T) error { return signIn(http.StatusBadRequest, time.Hour) },
	"federation, user":     func(*testing.T) error { return signIn(http.StatusForbidden, 0) },
	"federation, endpoint": func(*testing.T) error { return signIn(http.StatusNotFound, 0) },
	"serve, loopback": func(*testing.T) error {
		_, err := serve.Listen(context.Background(), "192.0.2.1:8080")
		return err
	},
	"rolesanywhere, file": func(*testing.T) error {
		return retrieve(&rolesanywhere.Provider{TrustAnchorARN: "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/a", ProfileARN: "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/a", RoleARN: roleARN, CertificateFile: "/none", KeyFile: "/none"})
	},
	"rolesanywhere, regions": func(*testing.T) error {
		return retrieve(&rolesanywhere.Provider{TrustAnchorARN: "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/a", ProfileARN: "arn:aws:rolesanywhere:eu-west-2:123456789012:profile/a", RoleARN: roleARN, CertificateFile: "/none", KeyFile: "/none"})
	},
	"iot, endpoint": func(*testing.T) error { return retrieve(&iot.Provider{RoleAlias: "camera-upload"}) },
	"MFA, same code": func(t *testing.T) error {
		server := ststest.NewTest(t)
		server.AllowRefusals("AccessDenied")
		return retrieve(&sessiontoken.Provider{
			Client:       &stsquery.Client{Region: "eu-west-1", Credentials: server.User(), HTTPClient: server.Client()},
			SerialNumber: "arn:aws:iam::123456789012:mfa/alice",
			MFAToken:     func(context.Context, string) (stschain.Secret, error) { return stschain.NewSecret("123456"), nil },
		})
	},
	"saml, several roles": func(t *testing.T) error {
		server, provider := ststest.NewTest(t), "arn:aws:iam::123456789012:saml-provider/corp"
		assertion := server.Assertion(ststest.Assertion{Roles: []ststest.SAMLRole{
			{RoleARN: roleARN, ProviderARN: provider}, {RoleARN: roleARN + "2", ProviderARN: provider},
		}})
		return retrieve(&saml.Provider{
			Client:    &stsquery.Client{Region: "eu-west-1", HTTPClient: server.Client()},
			Assertion: func(context.Context) (stschain.Secret, error) { return assertion, nil },
		})
	},
	"shared, session name": func(t *testing.T) error {
		client := &stsquery.Client{Region: "eu-west-1", Credentials: stschain.Static("AKIDEXAMPLE", "SECRET", "")}
		key := stschain.NewSecret(strings.Repeat("k", 32))
		return retrieve(&shared.Provider{
			Provider: &assumerole.Provider{Client: client, RoleARN: roleARN}, Keys: []stschain.Secret{key}, NamingKey: key,
			Store: hosts{&dirstore.Store{Dir: t.TempDir()}},
		})
	},
	"webidentity, expired": func(*testing.T) error {
		token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss": "https://idp.example", "aud": "sts.amazonaws.com", "sub": "app", "exp": 1}`)) + ".c2ln"
		return retrieve(&webidentity.Provider{
			Client:  &stsquery.Client{Region: "eu-west-1", HTTPClient: &http.Client{Transport: fail{errors.New("not called")}}, Retry: stsquery.Retry{MaxAttempts: 1}},
			RoleARN: roleARN, Token: func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(token), nil },
		})
	},
	"rolesanywhere, refused": func(t *testing.T) error {
		url, client := refusing(t, http.StatusForbidden, `{"__type": "AccessDeniedException", "message": "Untrusted certificate. Insufficient certificate"}`)
		leaf, key := certificate()
		return retrieve(&rolesanywhere.Provider{
			TrustAnchorARN: "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/a", ProfileARN: "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/a", RoleARN: roleARN,
			Endpoint: url, HTTPClient: client, MaxAttempts: 1,
			Certificates: func(context.Context) ([]*x509.Certificate, error) { return []*x509.Certificate{leaf}, nil },
			Signer:       func(context.Context) (crypto.Signer, error) { return key, nil },
		})
	},
}

// hosts is a store that hosts share.
type hosts struct{ shared.Store }

// call calls STS through a transport.
func call(c *stsquery.Client, transport http.RoundTripper) error {
	c.Credentials, c.HTTPClient, c.Retry.MaxAttempts = stschain.Static("AKIDEXAMPLE", "SECRET", ""), &http.Client{Transport: transport}, 1
	_, err := c.GetCallerIdentity(context.Background())
	return err
}

func send(transport *sigv4.Transport, url string) error {
	if transport.Credentials == nil {
		transport.Credentials = stschain.Static("AKIDEXAMPLE", "SECRET", "")
	}
	transport.Service, transport.Region = "s3", "eu-west-1"
	if transport.Base == nil {
		transport.Base = respond{status: http.StatusOK}
	}
	resp, err := (&http.Client{Transport: transport}).Get(url)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// waits is a transport that returns no response in time.
type waits struct{}

func (waits) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Body.Close()
	}
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func signIn(status int, d time.Duration) error {
	s := &federation.SignIn{
		Credentials: stschain.Static("ASIAEXAMPLE", "SECRET", "TOKEN"), Duration: d, HTTPClient: &http.Client{Transport: respond{status: status}},
	}
	_, err := s.SignInURL(context.Background())
	return err
}
