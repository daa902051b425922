// Package rolesanywhere gets the credentials of a role from IAM Roles Anywhere, for a machine outside of AWS that
// has an X.509 certificate and its private key.
//
//	role := &rolesanywhere.Provider{
//		TrustAnchorARN:  "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b...",
//		ProfileARN:      "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d...",
//		RoleARN:         "arn:aws:iam::123456789012:role/backup",
//		CertificateFile: "/etc/pki/worker.pem",
//		KeyFile:         "/etc/pki/worker-key.pem",
//	}
//
// The request CreateSession contains the certificate and is signed with its key, so no secret is sent. The role must
// trust rolesanywhere.amazonaws.com for sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity, and the profile must
// list the role.
//
// The AWS SDKs have no settings for this in profiles or the environment: they run the credential helper of AWS by
// credential_process, which source/profile does too. So source.Default does not include this package; configure it in code.
//
// # Certificates
//
// CertificateFile contains the certificate in PEM, and optionally the certificates of the intermediate authorities,
// which may also be in ChainFile. They are sent in the order of the chain, whatever their order in the files. Roots, and
// certificates that do not belong to the chain, are not sent. [Provider.Certificates] returns them from elsewhere, such as
// from SPIFFE or AWS Private CA.
//
// The files are read for each session, so a renewed certificate is used from the next refresh on. If the key
// does not fit the certificate, because the files are being replaced, they are read again for half a second.
//
// A certificate that AWS does not accept is an error without a request: one that has expired or is not yet valid by more than
// 5 minutes, a CA's, one whose key usage lacks digitalSignature, one of X.509 version 1 or signed with MD5 or SHA-1, and
// one whose key is neither EC nor RSA of at least 2048 bits.
//
// When the certificate expires is part of Origin of the credentials, so it is in the [stschain.Status] of a Cache, in its
// events, in traces and in [stschain.Explain]. The Note of a [stschain.Refreshed] event names the certificate, and warns if
// it expires before the credentials: a session may outlast its certificate, and then the next refresh fails.
//
// # Keys
//
// KeyFile contains the private key in PEM: PKCS #8, PKCS #1 or SEC 1. An encrypted one requires Password. PKCS #8 with
// PBES2, PBKDF2 and AES-CBC is supported, as openssl writes it:
//
//	openssl pkcs8 -topk8 -v2 aes-256-cbc -in plain.pem -out encrypted.pem
//
// [Provider.Signer] returns a key that is not in a file: in a TPM, in a PKCS #11 token, in AWS KMS. Any [crypto.Signer] works
// that signs a SHA-256 digest, with RSA by PKCS #1 v1.5, with EC in ASN.1. A signature is verified before it is sent.
//
// A signer that hangs is abandoned when ctx ends; until it returns, no other signature begins. If Signer, the signer or
// Password prompts the user, for a PIN or a touch, that function must call [stschain.Prompt] first:
//
//	Signer: func(ctx context.Context) (crypto.Signer, error) {
//		if err := stschain.Prompt(ctx); err != nil {
//			return nil, err // a background refresh
//		}
//		return openToken(readPIN())
//	},
//
// # Quotas
//
// AWS allows 10 calls of CreateSession a second for an account and region, unless the quota was raised. A Cache makes one
// call for each refresh. Processes with the same certificate and role share sessions through package shared. For many
// roles, set MaxInFlight of a [stschain.Pool] to 10 times the duration of a call in seconds: 2, if a call takes 200 ms. If
// AWS throttles a call, the error is [stschain.ErrThrottled], at which a Pool slows down.
//
// # Clocks
//
// AWS rejects a signature whose date is wrong by more than a few minutes. From a response with such a rejection the
// clock skew is measured, and the request is signed once more. Expires is on this process's clock.
//
// Source: https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication.html
package rolesanywhere

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
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/keypair"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// Provider returns the credentials of one role. It calls the service each time, so use it through a
// [stschain.Cache]. Do not change its fields after first use, and do not copy it.
type Provider struct {
	TrustAnchorARN string // required; its region is that of the service
	ProfileARN     string // required, of the same region
	RoleARN        string // required

	Duration    time.Duration // of the session, 15 minutes to 12 hours; 0: that of the profile, 1 hour by default
	SessionName string        // 2 to 64 characters, if the profile has acceptRoleSessionName; "": the serial number of the certificate

	CertificateFile string                                             // PEM; required without Certificates
	ChainFile       string                                             // PEM, the intermediate authorities; "": those in CertificateFile, if any
	KeyFile         string                                             // PEM; required without Signer
	Password        func(ctx context.Context) (stschain.Secret, error) // of an encrypted KeyFile; called for each session
	Certificates    func(context.Context) ([]*x509.Certificate, error) // in place of the files, the certificate first
	Signer          func(ctx context.Context) (crypto.Signer, error)   // in place of KeyFile; called for each session

	Endpoint        string // "": that of the region. With a custom endpoint, FIPS and DualStack are an error
	FIPS, DualStack bool
	AllowHTTP       bool // true: plain http to hosts other than loopback

	MaxAttempts                int  // of a request, if there is no response, or 429 or 5xx; 0: 3
	DisableClockSkewCorrection bool // true: requests are dated by this machine's clock, and Expires is as the service sends it

	Open       func(path string) (fs.File, error) // opens the files; nil: os.Open, for regular files
	HTTPClient *http.Client                       // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock      stschain.Clock                     // nil: the system clock

	server wire.ServerClock
	slot   keypair.Slot
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
	at, err := p.place()
	if err != nil {
		return stschain.Credentials{}, err
	}
	k, err := p.source().Pair(ctx, p.check)
	if err != nil {
		return stschain.Credentials{}, err
	}
	off := p.server.Ahead()
	creds, err := p.createSession(ctx, at, k)
	if errors.Is(err, stschain.ErrPermanent) && (p.server.Ahead()-off).Abs() > time.Minute { // the signature had the wrong date
		creds, err = p.createSession(ctx, at, k)
	}
	if err == nil {
		stschain.Note(ctx, func() string { return k.Note(creds.Expires) })
	}
	return creds, err
}

// Identity returns what decides the credentials: the service, the ARNs, SessionName, Duration and the certificate, with which the
// identity changes. It reads the certificate, and neither its key nor Password.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	at, err := p.place()
	var c keypair.Chain
	if err == nil {
		c, err = p.source().Chain(ctx)
	}
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("%s: %w", p, err)
	}
	return stschain.NewIdentity("rolesanywhere",
		"server="+wire.Server(at.url),
		"region="+at.region,
		"trust-anchor="+p.TrustAnchorARN,
		"profile="+p.ProfileARN,
		"role="+p.RoleARN,
		"session="+p.SessionName,
		"duration="+p.Duration.String(),
		"certificate="+c.Fingerprint()), nil
}

// String returns "rolesanywhere" and the role.
func (p *Provider) String() string {
	if _, ok := parseARN(p.RoleARN, "iam", "role/"); !ok {
		return "rolesanywhere" // it may be a misplaced secret
	}
	return "rolesanywhere " + redact.OneLine(p.RoleARN, 256)
}

// place is where requests are sent, and what they are signed for.
type place struct {
	url     *url.URL
	region  string
	account string // of the role
}

// place checks the fields that are not about certificates and keys.
func (p *Provider) place() (place, error) {
	anchor, isAnchor := parseARN(p.TrustAnchorARN, "rolesanywhere", "trust-anchor/")
	profile, isProfile := parseARN(p.ProfileARN, "rolesanywhere", "profile/")
	role, isRole := parseARN(p.RoleARN, "iam", "role/")
	var err error
	switch {
	case !isAnchor:
		err = errors.New("TrustAnchorARN is not the ARN of a trust anchor, such as arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b")
	case !isProfile:
		err = errors.New("ProfileARN is not the ARN of a profile, such as arn:aws:rolesanywhere:eu-west-1:123456789012:profile/0a1b")
	case !isRole:
		err = errors.New("RoleARN is not the ARN of a role, such as arn:aws:iam::123456789012:role/backup")
	case !wire.IsLabel(anchor.region):
		err = errors.New("TrustAnchorARN has no valid region")
	case anchor.region != profile.region:
		err = fmt.Errorf("TrustAnchorARN is in %s, and ProfileARN in %s: both must be in one region", anchor.region, redact.OneLine(profile.region, 64))
	case p.Duration != 0 && (p.Duration < 15*time.Minute || p.Duration > 12*time.Hour || p.Duration%time.Second != 0):
		err = fmt.Errorf("Duration is %v: 15 minutes to 12 hours in whole seconds are allowed", p.Duration)
	case p.SessionName != "" && !isSessionName(p.SessionName):
		err = errors.New("SessionName is not valid: 2 to 64 letters, digits and characters of _+=,.@- are allowed")
	}
	if err != nil {
		return place{}, stschain.Permanent(err)
	}
	service := "rolesanywhere"
	if p.FIPS {
		service += "-fips" // in all partitions, by the endpoint rules of the AWS SDKs
	}
	u, err := wire.Base(p.Endpoint, p.AllowHTTP, p.FIPS || p.DualStack, wire.ServiceHost(service, anchor.region, false, p.DualStack))
	if err != nil {
		return place{}, stschain.Permanent(err)
	}
	return place{u, anchor.region, role.account}, nil
}

type arn struct{ region, account string }

// parseARN parses the ARN of a resource of this kind, in any partition.
func parseARN(s, service, kind string) (arn, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != service || !credjson.IsAccount(parts[4]) || !redact.Visible(s) {
		return arn{}, false
	}
	name, ok := strings.CutPrefix(parts[5], kind)
	return arn{parts[3], parts[4]}, ok && name != ""
}

func isSessionName(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && wire.ConsistsOf(s, "_+=,.@-")
}

func (p *Provider) now() time.Time { return system.WallNow(p.Clock) }
