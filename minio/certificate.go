package minio

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/stsquery"
)

// Certificate gets credentials with AssumeRoleWithCertificate: the client certificate of the TLS connection authenticates
// the program, and the policy that has the name of its subject (CN) decides what the credentials allow. Do not change
// the fields after first use, and do not copy it.
//
// The certificate and the key are read again for each call, so a certificate that is renewed is used from the next
// refresh on. MinIO's credentials are not valid for longer than the certificate.
type Certificate struct {
	Client *stsquery.Client // required, with an https Endpoint; its Credentials are not used. The Transport of its HTTPClient must be an *http.Transport

	// CertificateFile has the certificate in PEM, followed by intermediate ones. KeyFile has its private key in PEM,
	// which is not encrypted. It can be the same file. Both are required without Certificate.
	CertificateFile string
	KeyFile         string

	// Certificate returns the certificate and its key instead of the files, for keys that are encrypted or in hardware. It
	// is called for each call, and should honor ctx.
	Certificate func(ctx context.Context) (tls.Certificate, error)

	Duration        time.Duration // 15 minutes to 365 days, in whole seconds. 0: 1 hour
	TokenRevokeType string        // a label by which the credentials can be revoked; optional

	Open func(path string) (fs.File, error) // opens the files; nil: os.Open

	derived derived
	latest  atomic.Pointer[keyPair] // that the next connection presents
}

// Retrieve calls MinIO. Its errors wrap [*stsquery.Error] if MinIO refused. They are never Unavailable.
func (p *Certificate) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.AssumeRoleWithCertificate, credentials)
}

// AssumeRoleWithCertificate is Retrieve with the complete response of MinIO.
func (p *Certificate) AssumeRoleWithCertificate(ctx context.Context) (_ *Session, err error) {
	defer flow.Wrap(&err, "minio certificate", p.CertificateFile)
	if err := p.check(); err != nil {
		return nil, err
	}
	client, err := p.derived.client(p.Client, p.present)
	if err != nil {
		return nil, err
	}
	pair, err := p.keyPair(ctx)
	if err != nil {
		return nil, err
	}
	p.latest.Store(&pair)
	out, err := client.CallUnsigned(ctx, stsquery.UnsignedInput{
		Operation: withCertificate,
		Parameters: map[string]string{
			"DurationSeconds": seconds(p.Duration),
			"TokenRevokeType": p.TokenRevokeType,
		},
	})
	if err != nil {
		return nil, explain(err)
	}
	stschain.Note(ctx, func() string {
		return fmt.Sprintf("%s expires at %s", pair, pair.leaf.NotAfter.UTC().Format(time.RFC3339))
	})
	return session(out, p.String()), nil
}

func (p *Certificate) check() error {
	if err := checkClient(p.Client, p.Duration, minDuration); err != nil {
		return err
	}
	u, err := wire.ParseURL(p.Client.Endpoint, true)
	switch {
	case err == nil && u.Scheme != "https":
		return invalidf("Client.Endpoint is not https, and the certificate is sent by TLS only")
	case p.Certificate != nil:
	case p.CertificateFile == "":
		return flow.Missing("CertificateFile")
	case p.KeyFile == "":
		return flow.Missing("KeyFile")
	}
	return nil
}

// present returns a transport that presents the latest certificate. It makes a connection for each request, since one
// that is reused has the certificate of its handshake.
func (p *Certificate) present(given http.RoundTripper) (http.RoundTripper, error) {
	t, ok := given.(*http.Transport)
	switch {
	case !ok:
		return nil, invalidf("the Transport of Client.HTTPClient is a %T, to which no certificate can be added: use an *http.Transport", given)
	//lint:ignore SA1019 the transport uses it if it is set
	case t.DialTLSContext != nil || t.DialTLS != nil:
		return nil, invalidf("the Transport of Client.HTTPClient has DialTLSContext, which cannot present the certificate: set DialContext instead")
	}
	t = t.Clone()
	t.DisableKeepAlives = true
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.ClientSessionCache = nil // a session that is resumed has the certificate of its first handshake
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return p.latest.Load().certificate(), nil
	}
	return t, nil
}

// Identity returns what decides the session: the certificate, which it reads, the duration, the label and the server.
func (p *Certificate) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "minio certificate", p.CertificateFile)
	if err := p.check(); err != nil {
		return stschain.Identity{}, err
	}
	pair, err := p.keyPair(ctx)
	if err != nil {
		return stschain.Identity{}, err
	}
	return flow.Identity(ctx, "minio-certificate", p.Client, false,
		fmt.Sprintf("certificate=%x", sha256.Sum256(pair.leaf.Raw)),
		"duration="+p.Duration.String(),
		"revoke-type="+p.TokenRevokeType)
}

// String returns "minio certificate" and the name of the file.
func (p *Certificate) String() string { return flow.Name("minio certificate", p.CertificateFile) }

func (p *Certificate) now() time.Time { return system.Now(p.Client.Clock) }

func (p *Certificate) read(path string) ([]byte, error) {
	content, _, err := system.ReadFile(p.Open, path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", strings.ToValidUTF8(path, "?"), err)
	}
	return content, nil
}
