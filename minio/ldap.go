package minio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/stsquery"
)

// LDAP gets credentials with AssumeRoleWithLDAPIdentity: MinIO binds to a directory, such as Active Directory, as the user.
// The policies of the user and of its groups decide what the credentials allow. Do not change the fields after first use,
// and do not copy it.
type LDAP struct {
	Client *stsquery.Client // required, with its Endpoint; its Credentials are not used

	Username string // of the directory; required, at most 2048 characters

	// Password returns the password of the user, at most 2048 characters; required. It is called for each attempt. It
	// should honor ctx, and call stschain.Prompt before it prompts the user.
	Password func(ctx context.Context) (stschain.Secret, error)

	// Policy, in JSON of at most 2048 bytes, restricts the permissions; it never adds any. Empty: all permissions of the user.
	Policy string

	Duration        time.Duration // 15 minutes to 365 days, in whole seconds. 0: an hour, unless MINIO_IDENTITY_LDAP_STS_EXPIRY of MinIO says otherwise
	TokenRevokeType string        // a label by which the credentials can be revoked; optional
	ConfigName      string        // of the directory, if the server has several; optional

	mu       sync.Mutex
	rejected stschain.Secret // the last password that the directory rejected
	until    time.Time       // until then it is not sent again
}

// rejectedFor is how long a rejected password is not sent again: directories lock accounts after a few attempts.
const rejectedFor = 5 * time.Minute

// Retrieve calls MinIO. Its errors wrap [*stsquery.Error] if MinIO refused. They are never Unavailable. A password that
// the directory rejected is not sent again for five minutes, because directories lock accounts.
func (p *LDAP) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.AssumeRoleWithLDAPIdentity, credentials)
}

// AssumeRoleWithLDAPIdentity is Retrieve with the complete response of MinIO.
func (p *LDAP) AssumeRoleWithLDAPIdentity(ctx context.Context) (_ *Session, err error) {
	defer flow.Wrap(&err, "minio ldap", p.user())
	if err := p.check(); err != nil {
		return nil, err
	}
	var sent stschain.Secret
	out, err := p.Client.CallUnsigned(ctx, stsquery.UnsignedInput{
		Operation: withLDAP,
		Parameters: map[string]string{
			"LDAPUsername":    p.Username,
			"Policy":          p.Policy,
			"DurationSeconds": seconds(p.Duration),
			"TokenRevokeType": p.TokenRevokeType,
			"ConfigName":      p.ConfigName,
		},
		Secrets: func(ctx context.Context) (_ map[string]stschain.Secret, err error) {
			if sent, err = p.password(ctx); err != nil {
				return nil, err
			}
			if err := p.admit(sent); err != nil {
				return nil, err
			}
			return map[string]stschain.Secret{"LDAPPassword": sent}, nil
		},
	})
	if err != nil {
		p.learn(sent, err)
		return nil, explain(err)
	}
	return session(out, p.String()), nil
}

func (p *LDAP) check() error {
	if err := checkClient(p.Client, p.Duration, minDuration); err != nil {
		return err
	}
	switch {
	case p.Username == "":
		return flow.Missing("Username")
	case utf8.RuneCountInString(p.Username) > maxText:
		return invalidf("Username has more than %d characters", maxText)
	case strings.ContainsFunc(p.Username, unicode.IsControl):
		return invalidf("Username has control characters")
	case p.Password == nil:
		return flow.Missing("Password")
	}
	return checkPolicy(p.Policy)
}

// password calls Password. An empty one is never sent: some directories take it for an anonymous bind, which succeeds.
func (p *LDAP) password(ctx context.Context) (stschain.Secret, error) {
	password, err := p.Password(ctx)
	switch text := password.Reveal(); {
	case err != nil:
		return stschain.Secret{}, fmt.Errorf("no password: %w", err)
	case text == "":
		return stschain.Secret{}, errors.New("no password: Password returned an empty one")
	case strings.TrimRight(text, "\r\n") != text:
		return stschain.Secret{}, errors.New("the password ends with a line break: remove it, as from the end of a file")
	case utf8.RuneCountInString(text) > maxText:
		return stschain.Secret{}, fmt.Errorf("the password has more than %d characters", maxText)
	}
	return password, nil
}

// admit refuses a password that the directory rejected a short time ago.
func (p *LDAP) admit(password stschain.Secret) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := system.Now(p.Client.Clock)
	if password != p.rejected || !now.Before(p.until) || p.until.Sub(now) > rejectedFor {
		return nil
	}
	return invalidf("the directory rejected this password, and it is not sent again for %v, because directories lock accounts: "+
		"correct Password", p.until.Sub(now).Round(time.Second))
}

// learn remembers a password that the directory rejected.
func (p *LDAP) learn(password stschain.Secret, err error) {
	e, ok := errors.AsType[*stsquery.Error](err)
	if !ok || !strings.Contains(e.Message, rejectedPassword) || strings.Contains(e.Message, lookupBind) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rejected, p.until = password, system.Now(p.Client.Clock).Add(rejectedFor)
}

// Identity returns what decides the session: all fields, the server, and the password, which it reads.
func (p *LDAP) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "minio ldap", p.user())
	if err := p.check(); err != nil {
		return stschain.Identity{}, err
	}
	password, err := p.password(ctx)
	if err != nil {
		return stschain.Identity{}, err
	}
	return flow.Identity(ctx, "minio-ldap", p.Client, false,
		"user="+p.Username,
		"password="+password.Fingerprint(),
		"policy="+p.Policy,
		"duration="+p.Duration.String(),
		"revoke-type="+p.TokenRevokeType,
		"config="+p.ConfigName)
}

// String returns "minio ldap" and the name of the user.
func (p *LDAP) String() string { return flow.Name("minio ldap", p.user()) }

// user is Username for texts.
func (p *LDAP) user() string { return redact.OneLine(p.Username, 128) }
