// Package iot gets the credentials of a role from the credentials provider of AWS IoT Core, for a device with the X.509
// certificate of a thing.
//
//	role := &iot.Provider{
//		Endpoint:        "c2a1b3c4d5e6f7.credentials.iot.eu-west-1.amazonaws.com",
//		RoleAlias:       "camera-upload",
//		ThingName:       "camera-0042",
//		CertificateFile: "/etc/device/certificate.pem",
//		KeyFile:         "/etc/device/private-key.pem",
//	}
//
// The device authenticates with its certificate in the TLS handshake; no secret is sent. The role alias, in the account
// and region of the certificate, names the role and the duration of its sessions. The policy of the certificate must
// allow iot:AssumeRoleWithCertificate on the role alias, and the role must trust credentials.iot.amazonaws.com. The
// endpoint is that of
//
//	aws iot describe-endpoint --endpoint-type iot:CredentialProvider
//
// The AWS SDKs have no settings for this in profiles or the environment, so source.Default does not include this package;
// configure it in code.
//
// # Certificates and keys
//
// CertificateFile contains the certificate in PEM, and optionally those of the authorities that issued it. They are
// sent in the order of the chain, whatever their order in the files. KeyFile contains the private key: PKCS #8, PKCS #1
// or SEC 1, or with Password a PKCS #8 key that is encrypted with PBES2, PBKDF2 and AES-CBC. [Provider.Certificates] and
// [Provider.Signer] return them from elsewhere, such as from a secure element.
//
// The files are read for each session, and each session uses a connection of its own, so a renewed certificate is used
// from the next refresh on. If the key does not fit the certificate, because the files are being replaced, they are read
// again for half a second. A certificate that has expired, or is not yet valid, by more than 5 minutes is an error
// without a request.
//
// When the certificate expires is part of Origin of the credentials, so it is in the [stschain.Status] of a Cache, in its
// events, in traces and in [stschain.Explain]. The Note of a [stschain.Refreshed] event names the certificate, and warns if
// it expires before the credentials.
//
// The signer signs in the TLS handshake, within 5 s; with an RSA key it needs RSA-PSS, which TLS 1.3 requires. If Signer
// or Password prompts the user, that function must call [stschain.Prompt] first.
//
// # Server certificates
//
// The servers of AWS have certificates of Amazon Root CA 1. A device without system roots sets them in HTTPClient:
//
//	HTTPClient: &http.Client{Transport: &http.Transport{
//		Proxy:           http.ProxyFromEnvironment,
//		TLSClientConfig: &tls.Config{RootCAs: roots},
//	}},
//
// # Errors
//
// A refusal of the service is [stschain.ErrPermanent] and says what to check. If TLS rejects the certificate, the error is
// permanent too. If the server did not request the certificate, the error says so: the endpoint is another one, or a proxy
// inspects TLS. Expires is on this process's clock.
//
// Source: https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
package iot

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/keypair"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// Provider returns the credentials of the role of a role alias. It calls the service each time, so use it through a
// [stschain.Cache]. Do not change its fields after first use, and do not copy it.
type Provider struct {
	Endpoint  string // required: the host of the credentials provider, or a URL with https
	RoleAlias string // required: 1 to 128 letters, digits and characters of _=,@-
	ThingName string // of a thing that is attached to the certificate, for policy variables; up to 128 letters, digits and characters of :_-. "": none

	CertificateFile string                                             // PEM; required without Certificates
	ChainFile       string                                             // PEM, the intermediate authorities; "": those in CertificateFile, if any
	KeyFile         string                                             // PEM; required without Signer
	Password        func(ctx context.Context) (stschain.Secret, error) // of an encrypted KeyFile; called for each session
	Certificates    func(context.Context) ([]*x509.Certificate, error) // in place of the files, the certificate first
	Signer          func(ctx context.Context) (crypto.Signer, error)   // in place of KeyFile; called for each session

	MaxAttempts                int  // of a request, if there is no response, or 429 or 5xx; 0: 3
	DisableClockSkewCorrection bool // true: Expires is as the service sends it

	Open       func(path string) (fs.File, error) // opens the files; nil: os.Open, for regular files
	HTTPClient *http.Client                       // its Transport must be an *http.Transport, of which a copy with the certificate is used; nil: a client with timeouts
	Clock      stschain.Clock                     // nil: the system clock

	slot keypair.Slot
}

// Retrieve returns the credentials of a new session.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	creds, err := p.retrieve(ctx)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("%s: %w", p, err)
	}
	return creds, nil
}

func (p *Provider) retrieve(ctx context.Context) (stschain.Credentials, error) {
	u, err := p.url()
	if err != nil {
		return stschain.Credentials{}, err
	}
	k, err := p.source().Pair(ctx, func(c keypair.Chain) error { return c.CheckDates(p.now()) })
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds, err := p.session(ctx, u, k)
	if err == nil {
		stschain.Note(ctx, func() string { return k.Note(creds.Expires) })
	}
	return creds, err
}

// Identity returns what decides the credentials: the endpoint, RoleAlias, ThingName and the certificate, with which the identity
// changes. It reads the certificate, and neither its key nor Password.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	u, err := p.url()
	var c keypair.Chain
	if err == nil {
		c, err = p.source().Chain(ctx)
	}
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("%s: %w", p, err)
	}
	return stschain.NewIdentity("iot", "server="+wire.Server(u), "thing="+p.ThingName, "certificate="+c.Fingerprint()), nil
}

// String returns "iot" and the role alias.
func (p *Provider) String() string {
	if !isAlias(p.RoleAlias) {
		return "iot" // it may be a misplaced secret
	}
	return "iot " + p.RoleAlias
}

func (p *Provider) source() keypair.Source {
	return keypair.Source{
		CertificateFile: p.CertificateFile, ChainFile: p.ChainFile, KeyFile: p.KeyFile, Password: p.Password,
		Certificates: p.Certificates, Signer: p.Signer, Open: p.Open,
	}
}

// url checks the fields that are not about certificates and keys, and returns where credentials are.
func (p *Provider) url() (*url.URL, error) {
	var u *url.URL
	err := error(nil)
	switch {
	case p.Endpoint == "":
		err = errors.New("Endpoint is missing: set it to what `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints")
	case p.RoleAlias == "":
		err = errors.New("RoleAlias is missing")
	case !isAlias(p.RoleAlias):
		err = errors.New("RoleAlias is not valid: 1 to 128 letters, digits and characters of _=,@- are allowed")
	case !isThing(p.ThingName):
		err = errors.New("ThingName is not valid: up to 128 letters, digits and characters of :_- are allowed")
	default:
		u, err = wire.Base(p.Endpoint, false, false, "")
	}
	switch {
	case err != nil:
	case u.Scheme != "https":
		err = errors.New("Endpoint is plain http, without which there is no certificate: use https")
	case isDataEndpoint(u.Hostname()):
		err = fmt.Errorf("Endpoint is %s, which is the data endpoint: set it to what `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints", u.Host)
	}
	if err != nil {
		return nil, stschain.Permanent(err)
	}
	return u.JoinPath("role-aliases", p.RoleAlias, "credentials"), nil
}

// isDataEndpoint reports whether a host is one to which devices publish.
func isDataEndpoint(host string) bool {
	prefix, _, ok := strings.Cut(strings.ToLower(host), ".iot.")
	return ok && strings.HasSuffix(prefix, "-ats") && wire.IsAWSHost(host)
}

func isAlias(s string) bool { return s != "" && len(s) <= 128 && wire.ConsistsOf(s, "_=,@-") }

func isThing(s string) bool { return len(s) <= 128 && wire.ConsistsOf(s, ":_-") }

func (p *Provider) now() time.Time { return system.WallNow(p.Clock) }
