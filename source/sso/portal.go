package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

// credentials asks the portal: the operation GetRoleCredentials.
func (p *Provider) credentials(ctx context.Context, at places, t token) (stschain.Credentials, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, portalPatience, fmt.Errorf("it was given up after %v", portalPatience))
	defer cancel()
	u := at.portal.JoinPath("federation", "credentials")
	u.RawQuery = url.Values{"account_id": {p.AccountID}, "role_name": {p.RoleName}}.Encode()
	answer, err := p.ask(bounded, u, wire.Request{
		Method: http.MethodGet,
		Header: http.Header{"X-Amz-Sso_bearer_token": {t.access.Reveal()}}, Secrets: []stschain.Secret{t.access},
	})
	if refused, ok := errors.AsType[*refusal](err); ok {
		return stschain.Credentials{}, p.explain(err, refused.status, t, answer.ahead)
	}
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds, err := parse(answer.body)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("the answer of %s cannot be used: %w", at.portal.Host, err)
	}
	if !p.DisableClockSkewCorrection {
		creds.Expires = creds.Expires.Add(-answer.ahead)
	}
	creds.AccountID, creds.Origin = p.AccountID, p.String()
	return creds, nil
}

// parse reads what the portal gives. Its errors show nothing of it.
func parse(body []byte) (stschain.Credentials, error) {
	var doc struct {
		RoleCredentials map[string]json.RawMessage `json:"roleCredentials"`
	}
	if json.Unmarshal(body, &doc) != nil || doc.RoleCredentials == nil {
		return stschain.Credentials{}, errors.New("it is no JSON object of roleCredentials")
	}
	const lastYear = 253402300799999 // 9999, beyond which no date can be written
	var expiration int64             // milliseconds since 1970
	if json.Unmarshal(doc.RoleCredentials["expiration"], &expiration) != nil || expiration < 1 || expiration > lastYear {
		return stschain.Credentials{}, errors.New("its expiration is no time in milliseconds since 1970")
	}
	delete(doc.RoleCredentials, "expiration") // the others are as in other sources
	keys, err := json.Marshal(doc.RoleCredentials)
	if err != nil {
		return stschain.Credentials{}, errors.New("it is no JSON object of roleCredentials")
	}
	given, err := credjson.Parse(keys, "sessionToken")
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds, err := given.Credentials("")
	switch {
	case err != nil:
		return stschain.Credentials{}, err
	case creds.SessionToken.IsZero():
		return stschain.Credentials{}, errors.New("it has no sessionToken")
	}
	creds.Expires = time.UnixMilli(expiration).UTC()
	return creds, nil
}

// explain adds to a refusal of the portal what it means. Its clock is ahead of ours.
func (p *Provider) explain(refused error, status int, t token, ahead time.Duration) error {
	switch status {
	case http.StatusUnauthorized:
		why := "the session has ended, though its token should be good until " + t.expires.UTC().Format(time.RFC3339)
		if ahead > 0 {
			why += fmt.Sprintf(" by this machine's clock, which is %v behind: set it right", ahead.Round(time.Second))
		}
		region, _ := t.content.Text("region")
		if other := region.Reveal(); wire.IsLabel(other) && other != p.Region {
			why += fmt.Sprintf("; or it is of another region, for it was got in %s, and Region (sso_region) is %s", other, p.Region)
		}
		return fmt.Errorf("%w; %s; %s", refused, why, p.advice())
	case http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("%w; who signed in has no role %s in the account %s: look at sso_role_name and sso_account_id, and at what is assigned to them",
			refused, redact.OneLine(p.RoleName, 128), redact.OneLine(p.AccountID, 128))
	}
	return refused
}
