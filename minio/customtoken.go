package minio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// CustomToken gets credentials with AssumeRoleWithCustomToken: MinIO passes the token to its identity plug-in
// (MINIO_IDENTITY_PLUGIN_URL), which verifies it. Do not change the fields after first use, and do not copy it.
//
// MinIO reads the token from the query of the URL only. It is therefore in access logs of MinIO and of proxies before it:
// use tokens that are valid for a short time.
type CustomToken struct {
	Client *stsquery.Client // required, with its Endpoint; its Credentials are not used

	RoleARN string // required: the role of the plug-in, "arn:minio:iam:::role/idmp-...", which MinIO logs when it starts

	// Token returns the token; required. It is called for each attempt. It should honor ctx, and call stschain.Prompt
	// before it prompts the user. webidentity.TokenFile reads one from a file.
	Token func(ctx context.Context) (stschain.Secret, error)

	Duration        time.Duration // 1 second to 365 days, in whole seconds, and at most what the plug-in allows. 0: that
	TokenRevokeType string        // a label by which the credentials can be revoked; optional

	derived derived
}

// rolePrefix is that of the ARNs of identity plug-ins.
const rolePrefix = "arn:minio:iam:::role/idmp-"

// Retrieve calls MinIO. Its errors wrap [*stsquery.Error] if MinIO refused. They are never Unavailable.
func (p *CustomToken) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.AssumeRoleWithCustomToken, credentials)
}

// AssumeRoleWithCustomToken is Retrieve with the complete response of MinIO: the user that the plug-in returned.
func (p *CustomToken) AssumeRoleWithCustomToken(ctx context.Context) (_ *Session, err error) {
	defer flow.Wrap(&err, "minio customtoken", p.RoleARN)
	if err := p.check(); err != nil {
		return nil, err
	}
	client, err := p.derived.client(p.Client, nil)
	if err != nil {
		return nil, err
	}
	out, err := client.CallUnsigned(ctx, stsquery.UnsignedInput{
		Operation: withToken,
		Parameters: map[string]string{
			"RoleArn":         p.RoleARN,
			"DurationSeconds": seconds(p.Duration),
			"TokenRevokeType": p.TokenRevokeType,
		},
		Secrets: func(ctx context.Context) (map[string]stschain.Secret, error) {
			token, err := p.token(ctx)
			return map[string]stschain.Secret{"Token": token}, err
		},
	})
	if err != nil {
		return nil, explain(err)
	}
	return session(out, p.String()), nil
}

func (p *CustomToken) check() error {
	if err := checkClient(p.Client, p.Duration, time.Second); err != nil {
		return err
	}
	switch {
	case p.RoleARN == "":
		return flow.Missing("RoleARN")
	case !strings.HasPrefix(p.RoleARN, rolePrefix):
		return invalidf("RoleARN is %.64q, and that of an identity plug-in begins with %s", p.RoleARN, rolePrefix)
	case p.Token == nil:
		return flow.Missing("Token")
	}
	return nil
}

func (p *CustomToken) token(ctx context.Context) (stschain.Secret, error) {
	token, err := p.Token(ctx)
	if err != nil {
		return stschain.Secret{}, fmt.Errorf("no token: %w", err)
	}
	text := strings.TrimSpace(token.Reveal())
	if text == "" {
		return stschain.Secret{}, errors.New("no token: Token returned an empty one")
	}
	return stschain.NewSecret(text), nil
}

// Identity returns what decides the session: all fields, the server, and the token, which it reads.
func (p *CustomToken) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "minio customtoken", p.RoleARN)
	if err := p.check(); err != nil {
		return stschain.Identity{}, err
	}
	token, err := p.token(ctx)
	if err != nil {
		return stschain.Identity{}, err
	}
	return flow.Identity(ctx, "minio-customtoken", p.Client, false,
		"role="+p.RoleARN,
		"token="+token.Fingerprint(),
		"duration="+p.Duration.String(),
		"revoke-type="+p.TokenRevokeType)
}

// String returns "minio customtoken" and the role.
func (p *CustomToken) String() string { return flow.Name("minio customtoken", p.RoleARN) }
