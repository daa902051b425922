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

// credentials calls the operation GetRoleCredentials of the portal.
func (p *Provider) credentials(ctx context.Context, at places, t *token) (stschain.Credentials, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, portalPatience, fmt.Errorf("timed out after %v", portalPatience))
	defer cancel()
	u := at.portal.JoinPath("federation", "credentials")
	u.RawQuery = url.Values{"account_id": {p.AccountID}, "role_name": {p.RoleName}}.Encode()
	response, err := p.call(bounded, u, wire.Request{
		Method: http.MethodGet,
		Header: http.Header{"X-Amz-Sso_bearer_token": {t.access.Reveal()}}, Secrets: []stschain.Secret{t.access},
	})
	measured, _ := wire.MeasureSkew(response.Header, response.Sent, response.Received)
	ahead := measured.Expiry()
	if err != nil {
		return stschain.Credentials{}, p.explain(err, t, ahead)
	}
	creds, err := parse(response.Body)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("invalid response of %s: %w", at.portal.Host, err)
	}
	if !p.DisableClockSkewCorrection {
		creds.Expires = creds.Expires.Add(-ahead)
	}
	creds.AccountID, creds.Origin = p.AccountID, p.String()
	return creds, nil
}

// parse reads a response of the portal. Its errors do not show it.
func parse(body []byte) (stschain.Credentials, error) {
	var doc struct {
		RoleCredentials map[string]json.RawMessage `json:"roleCredentials"`
	}
	if json.Unmarshal(body, &doc) != nil || doc.RoleCredentials == nil {
		return stschain.Credentials{}, errors.New("not a JSON object with roleCredentials")
	}
	const lastYear = 253402300799999 // 9999, the last year that RFC 3339 can express
	var expiration int64             // milliseconds since 1970
	if json.Unmarshal(doc.RoleCredentials["expiration"], &expiration) != nil || expiration < 1 || expiration > lastYear {
		return stschain.Credentials{}, errors.New("expiration is not a time in milliseconds since 1970")
	}
	delete(doc.RoleCredentials, "expiration")    // the others are as in other sources
	keys, _ := json.Marshal(doc.RoleCredentials) // it was read as JSON
	creds, err := credjson.Complete(keys, "sessionToken")
	creds.Expires = time.UnixMilli(expiration).UTC()
	return creds, err
}

// explain adds the meaning of an error of the portal, and what to do. The portal's clock is ahead of this process's.
func (p *Provider) explain(err error, t *token, ahead time.Duration) error {
	refusal, ok := errors.AsType[*wire.Refusal](err)
	switch {
	case !ok:
	case refusal.Status == http.StatusUnauthorized:
		why := "the session has ended, although its token should be valid until " + t.expires.UTC().Format(time.RFC3339)
		if ahead > 0 {
			why += fmt.Sprintf(" by this machine's clock, which is %v behind: correct it", ahead.Round(time.Second))
		}
		region, _ := t.content.Text("region")
		if other := region.Reveal(); wire.IsLabel(other) && other != p.Region {
			why += fmt.Sprintf("; or its region is another: it is from %s, and Region (sso_region) is %s", other, p.Region)
		}
		return fmt.Errorf("%w; %s; %s", err, why, p.advice())
	case refusal.Status == http.StatusForbidden, refusal.Status == http.StatusNotFound:
		return fmt.Errorf("%w; the signed-in user does not have the role %s in the account %s: check sso_role_name and sso_account_id, and the user's assignments",
			err, redact.OneLine(p.RoleName, 128), redact.OneLine(p.AccountID, 128))
	}
	return err
}
