package ststest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// centerInput is the input of an operation: members that are strings or lists of strings.
type centerInput map[string]any

func (in centerInput) text(name string) string { s, _ := in[name].(string); return s }

func (in centerInput) secret(name string) stschain.Secret { return stschain.NewSecret(in.text(name)) }

func (in centerInput) list(name string) []string { l, _ := in[name].([]string); return l }

// bearerHeader has the access token.
const bearerHeader = "X-Amz-Sso_bearer_token"

// centerMembers are the members of the operations with a JSON body: those that are required, and after "" the others.
var centerMembers = map[string][]string{
	"RegisterClient":           {"clientName", "clientType", "", "grantTypes", "redirectUris", "scopes", "issuerUrl"},
	"StartDeviceAuthorization": {"clientId", "clientSecret", "startUrl"},
	"CreateToken":              {"clientId", "clientSecret", "grantType", "", "deviceCode", "code", "codeVerifier", "redirectUri", "refreshToken"},
	"Authorize":                {"response_type", "client_id", "redirect_uri", "state", "code_challenge_method", "code_challenge", "scopes"},
	"GetRoleCredentials":       {"account_id", "role_name"},
	"Logout":                   nil,
}

// readCenter reads the members of a body, or the parameters of a query, and checks their names and types.
func readCenter(r *http.Request, operation string) (centerInput, *refusal) {
	in := centerInput{}
	bad := func(format string, args ...any) (centerInput, *refusal) {
		return in, malformed("InvalidRequestException", fmt.Sprintf(format, args...))
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	_, raw := target(r)
	query, queryErr := url.ParseQuery(raw)
	known := centerMembers[operation]
	method, media := http.MethodPost, ""
	if operation == "Authorize" || operation == "GetRoleCredentials" {
		method = http.MethodGet
	} else if operation != "Logout" {
		media = "application/json"
	}
	got, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil || queryErr != nil:
		return bad("The request cannot be decoded.")
	case r.Method != method || media != "" && got != media || media == "" && len(body) > 0 || method == http.MethodPost && raw != "":
		return bad("The method, the content type, the body or the query is not that of %s.", operation)
	case r.Header.Get("Authorization") != "":
		return bad("The request is signed.")
	}
	members := map[string]any{}
	if media != "" {
		if members, err = decodeObject(body); err != nil {
			return bad("The body %v.", err)
		}
	}
	for name, values := range query {
		if len(values) != 1 {
			return bad("The parameter %q is there more than once.", name)
		}
		members[name] = values[0]
	}
	for name, value := range members {
		if list, ok := value.([]any); ok {
			texts := make([]string, 0, len(list))
			for _, v := range list {
				text, ok := v.(string)
				if !ok {
					return bad("The member %q is not a list of strings.", name)
				}
				texts = append(texts, text)
			}
			value = texts
		}
		if _, isText := value.(string); !slices.Contains(known, name) || name == "" || isText == slices.Contains([]string{"grantTypes", "redirectUris", "scopes"}, name) && operation == "RegisterClient" {
			return bad("The member %q is unknown, or has another type.", name)
		}
		in[name] = value
	}
	for _, name := range known {
		if name == "" {
			break
		}
		if in.text(name) == "" {
			return bad("The member %s is missing.", name)
		}
	}
	if operation == "RegisterClient" && (in.text("clientType") != "public" || !strings.HasPrefix(in.text("clientName"), "botocore-client-")) {
		return in, malformed("InvalidClientMetadataException", "The client is not public, or its name is not that of the AWS CLI.")
	}
	if operation == "GetRoleCredentials" || operation == "Logout" {
		if values := r.Header.Values(bearerHeader); len(values) == 1 {
			in["accessToken"] = values[0]
		}
	}
	return in, nil
}

// createToken redeems a code or a refresh token.
func (p *Portal) createToken(in centerInput, now time.Time) (*response, *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, no := p.client(in, now)
	if no != nil {
		return nil, no
	}
	grants := map[string]struct {
		members []string
		redeem  func(centerInput, oidcClient, time.Time) *refusal
	}{
		"urn:ietf:params:oauth:grant-type:device_code": {[]string{"deviceCode"}, p.redeemDevice},
		"authorization_code":                           {[]string{"code", "codeVerifier", "redirectUri"}, p.redeemCode},
		"refresh_token":                                {[]string{"refreshToken"}, p.redeemRefreshToken},
	}
	grant, known := grants[in.text("grantType")]
	if !known {
		return nil, malformed("UnsupportedGrantTypeException", "The grant type is unknown.")
	}
	for _, name := range grant.members {
		if in.text(name) == "" {
			return nil, malformed("InvalidRequestException", "The member "+name+" is missing.")
		}
	}
	if len(in) != 3+len(grant.members) {
		return nil, malformed("InvalidRequestException", "There are members of another grant type.")
	}
	if no := grant.redeem(in, c, now); no != nil {
		return nil, no
	}
	access, refresh := newSessionToken(64), newSessionToken(64)
	p.accessTokens[access] = now.Add(p.settings.Life)
	document := map[string]any{"accessToken": access.Reveal(), "tokenType": "Bearer", "expiresIn": int64(p.settings.Life / time.Second)}
	if len(c.scopes) > 0 { // clients without scopes get no refresh token
		p.refreshTokens[refresh] = in.text("clientId")
		document["refreshToken"] = refresh.Reveal()
	}
	return jsonResponse(http.StatusOK, "", document), nil
}

func (p *Portal) redeemDevice(in centerInput, c oidcClient, now time.Time) *refusal {
	d := p.devices[in.secret("deviceCode")]
	switch {
	case d == nil || d.client != in.text("clientId") || c.browser:
		return refuseCode("InvalidGrantException", "Invalid device code provided")
	case !now.Before(d.expires):
		return refuseCode("ExpiredTokenException", "The device code has expired")
	case now.Sub(d.latest) < d.every:
		d.every += 5 * time.Second // RFC 8628, 3.5
		d.latest = now
		return refuseCode("SlowDownException", "Polling too fast")
	}
	d.latest = now
	switch {
	case !d.decided:
		return refuseCode("AuthorizationPendingException", "Authorization is pending")
	case !d.allowed:
		return refuseCode("AccessDeniedException", "The user denied the request")
	}
	delete(p.devices, in.secret("deviceCode"))
	return nil
}

func (p *Portal) redeemCode(in centerInput, _ oidcClient, now time.Time) *refusal {
	code, known := p.codes[in.secret("code")]
	delete(p.codes, in.secret("code"))
	sum := sha256.Sum256([]byte(in.text("codeVerifier")))
	if verifier := in.text("codeVerifier"); !known || code.client != in.text("clientId") || code.redirectURI != in.text("redirectUri") || !now.Before(code.expires) ||
		len(verifier) < 43 || len(verifier) > 128 || code.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return refuseCode("InvalidGrantException", "Invalid code, code verifier or redirect URI provided")
	}
	return nil
}

func (p *Portal) redeemRefreshToken(in centerInput, _ oidcClient, _ time.Time) *refusal {
	if p.refreshTokens[in.secret("refreshToken")] != in.text("clientId") {
		return refuseCode("InvalidGrantException", "Invalid refresh token provided")
	}
	delete(p.refreshTokens, in.secret("refreshToken"))
	return nil
}

func refuseCode(code, message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: message}
}

// bearer verifies the access token.
func (p *Portal) bearer(in centerInput, now time.Time) *refusal {
	if !now.Before(p.accessTokens[in.secret("accessToken")]) {
		return &refusal{status: http.StatusUnauthorized, code: "UnauthorizedException", message: "Session token not found or invalid"}
	}
	return nil
}

func (p *Portal) logout(in centerInput, now time.Time) (*response, *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if no := p.bearer(in, now); no != nil {
		return nil, no
	}
	clear(p.accessTokens) // there is one user
	clear(p.refreshTokens)
	return &response{status: http.StatusOK, header: http.Header{}}, nil
}

// roleCredentials issues the credentials of a role.
func (p *Portal) roleCredentials(x *conversation, in centerInput) (*response, *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if no := p.bearer(in, x.now); no != nil {
		return nil, no
	}
	arn := "arn:aws:iam::" + in.text("account_id") + ":role/" + in.text("role_name")
	if p.settings.Roles != nil && !slices.Contains(p.settings.Roles, arn) {
		return nil, &refusal{status: http.StatusForbidden, code: "ForbiddenException", message: "No access"}
	}
	id, no := roleSession(arn, "user")
	if no != nil {
		return nil, no
	}
	creds := x.server.issue(id, x.now.Add(time.Hour).Truncate(time.Second), emptyToken).creds
	return jsonResponse(http.StatusOK, "", map[string]any{"roleCredentials": map[string]any{
		"accessKeyId": creds.AccessKeyID, "secretAccessKey": creds.SecretAccessKey.Reveal(), "sessionToken": creds.SessionToken.Reveal(),
		"expiration": creds.Expires.UnixMilli(),
	}}), nil
}

// centerErrors are the OAuth errors of the exceptions.
var centerErrors = map[string]string{
	"AuthorizationPendingException": "authorization_pending", "SlowDownException": "slow_down", "ExpiredTokenException": "expired_token",
	"AccessDeniedException": "access_denied", "InvalidGrantException": "invalid_grant", "InvalidClientException": "invalid_client",
	"InvalidClientMetadataException": "invalid_client_metadata", "InvalidRedirectUriException": "invalid_redirect_uri",
	"InvalidScopeException": "invalid_scope", "InvalidRequestException": "invalid_request", "UnsupportedGrantTypeException": "unsupported_grant_type",
	"InternalServerException": "server_error",
}

// centerRefusal is an error of the OIDC service or of the portal.
func centerRefusal(r *refusal) *response {
	status, code := r.status, r.code
	if code == "Throttling" { // of CallsPerSecond
		status, code = http.StatusTooManyRequests, "TooManyRequestsException"
	}
	document := map[string]string{"__type": code, "message": r.message}
	if oauth := centerErrors[code]; oauth != "" {
		document = map[string]string{"error": oauth, "error_description": r.message}
	}
	a := jsonResponse(status, code, document)
	a.header.Set("X-Amzn-Errortype", code)
	return a
}
