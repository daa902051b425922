package rolesanywhere

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/keypair"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/internal/wire"
)

// patience limits the calls of the service. With the default Timeout of a stschain.Cache, 30 s, a signer has the rest.
const patience = 15 * time.Second

// createSession calls the operation CreateSession. A retry sends the same request: a signer may be slow, or prompt.
func (p *Provider) createSession(ctx context.Context, at place, k keypair.Pair) (creds stschain.Credentials, err error) {
	u := at.url.JoinPath("sessions")
	u.RawQuery = url.Values{"profileArn": {p.ProfileARN}, "roleArn": {p.RoleARN}, "trustAnchorArn": {p.TrustAnchorARN}}.Encode()
	body, err := json.Marshal(struct {
		DurationSeconds int64  `json:"durationSeconds,omitempty"`
		RoleSessionName string `json:"roleSessionName,omitempty"`
	}{int64(p.Duration / time.Second), p.SessionName})
	if err != nil {
		return stschain.Credentials{}, err
	}
	header, err := p.signed(ctx, at.region, u, body, k)
	if err != nil {
		return stschain.Credentials{}, err
	}
	request := wire.Request{
		Method: http.MethodPost, Header: header, Body: stschain.NewSecret(string(body)),
		Secrets: []stschain.Secret{stschain.NewSecret(header.Get("Authorization"))}, // a request like this one returns credentials
	}
	bounded, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("timed out after %v", patience))
	defer cancel()
	service := wire.Service{URL: u, HTTPClient: p.HTTPClient, MaxAttempts: p.MaxAttempts, Now: p.now}
	err = service.Call(bounded, func() (wire.Request, error) { return request, nil }, func(got wire.Response) (err error) {
		if !p.DisableClockSkewCorrection {
			p.server.Compare(got)
		}
		if got.Status != http.StatusCreated && got.Status != http.StatusOK {
			code, message := credjson.Said(got)
			return p.explain(service.Refuse(got, code, message, request.Secrets...).Marked(), k)
		}
		if creds, err = parseSession(got.Body, p.RoleARN); err != nil {
			return fmt.Errorf("invalid response of %s: %w", u.Host, err)
		}
		creds.Expires = creds.Expires.Add(-p.server.Ahead())
		creds.AccountID, creds.Origin = at.account, k.Origin(p.String())
		return nil
	})
	return creds, err
}

// signed returns the header of a request, with its signature.
func (p *Provider) signed(ctx context.Context, region string, u *url.URL, body []byte, k keypair.Pair) (http.Header, error) {
	date := p.now().Add(p.server.Ahead()).UTC().Format("20060102T150405Z")
	header := http.Header{
		"Content-Type": {"application/json"},
		"X-Amz-Date":   {date},
		"X-Amz-X509":   {encode(k.Leaf)},
	}
	if len(k.Issuers) > 0 {
		header.Set("X-Amz-X509-Chain", encode(k.Issuers...))
	}
	fields := []signature.Field{{Name: "host", Values: []string{u.Host}}}
	for name, values := range header {
		fields = append(fields, signature.Field{Name: name, Values: values})
	}
	signature.SortFields(fields)
	sum := sha256.Sum256(body)
	request := &signature.Request{
		Method: http.MethodPost, Path: u.EscapedPath(), Query: u.RawQuery, Header: fields, Payload: hex.EncodeToString(sum[:]),
	}
	name, _ := algorithm(k.Leaf) // it was checked before
	c := signature.Certificate{
		Algorithm: name, Serial: k.Leaf.SerialNumber.String(), Time: date,
		Scope: signature.Scope{Date: date[:len("20060102")], Region: region, Service: "rolesanywhere"},
	}
	signed, err := p.sign(ctx, k, c.StringToSign(request))
	if err != nil {
		return nil, err
	}
	header.Set("Authorization", c.Authorization(request, signed))
	return header, nil
}

func encode(certificates ...*x509.Certificate) string {
	var all []string
	for _, c := range certificates {
		all = append(all, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return strings.Join(all, ",")
}

// parseSession reads a response. Its errors do not show it.
func parseSession(body []byte, role string) (stschain.Credentials, error) {
	var doc struct {
		CredentialSet []struct {
			Credentials json.RawMessage `json:"credentials"`
			RoleARN     string          `json:"roleArn"`
		} `json:"credentialSet"`
	}
	if json.Unmarshal(body, &doc) != nil || len(doc.CredentialSet) == 0 {
		return stschain.Credentials{}, errors.New("not a JSON object with a credentialSet")
	}
	session := doc.CredentialSet[0]
	creds, err := credjson.Complete(session.Credentials, "sessionToken")
	switch {
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("invalid credentials: %w", err)
	case creds.Expires.IsZero():
		return stschain.Credentials{}, errors.New("the credentials have no expiration")
	case session.RoleARN != "" && session.RoleARN != role:
		return stschain.Credentials{}, fmt.Errorf("a session of another role, %s; it is not used", redact.OneLine(session.RoleARN, 256))
	}
	return creds, nil
}

// explain adds what a refusal may mean.
func (p *Provider) explain(err error, k keypair.Pair) error {
	if !errors.Is(err, stschain.ErrPermanent) {
		return err
	}
	if off := p.server.Ahead().Round(time.Second); off != 0 {
		err = fmt.Errorf("%w; the service's clock is %v ahead of this machine's", err, off)
	}
	return fmt.Errorf("%w; the %s is valid until %s; check that the trust anchor has its authority, that the profile lists the role, and that the role "+
		"trusts rolesanywhere.amazonaws.com for sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity", err, k, k.ValidUntil())
}
