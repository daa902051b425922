package ststest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
)

// IdentityCenter has the settings of IAM Identity Center, for [Server.AddIdentityCenter].
type IdentityCenter struct {
	StartURL string        // required, of the portal: "https://example.awsapps.com/start"
	Roles    []string      // ARNs of the user's roles; nil: every role
	Interval time.Duration // between two requests with a device code; 0: 5 s
	CodeLife time.Duration // of device codes; 0: 10 minutes
	Life     time.Duration // of access tokens; 0: 1 hour
	Deny     bool          // true: the user denies what a browser is sent to the page of authorization for
}

// AddIdentityCenter makes the server accept the operations of the OIDC service of IAM Identity Center and of its portal:
// RegisterClient, StartDeviceAuthorization, CreateToken with device codes, authorization codes with PKCE and refresh
// tokens, GetRoleCredentials and Logout. A GET of /authorize redirects the browser at once, as for a user that is signed
// in. A second call changes the settings.
func (s *Server) AddIdentityCenter(c IdentityCenter) *Portal {
	defaults := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	defaults(&c.Interval, 5*time.Second)
	defaults(&c.CodeLife, 10*time.Minute)
	defaults(&c.Life, time.Hour)
	c.Roles = slices.Clone(c.Roles)
	portal := s.identityCenter()
	portal.mu.Lock()
	defer portal.mu.Unlock()
	portal.settings = c
	return portal
}

// identityCenter returns the portal, which the first call adds.
func (s *Server) identityCenter() *Portal {
	s.lock()
	defer s.mu.Unlock()
	if s.portal == nil {
		s.portal = &Portal{
			server: s, clients: map[string]oidcClient{}, devices: map[stschain.Secret]*deviceCode{}, codes: map[stschain.Secret]authorizationCode{},
			refreshTokens: map[stschain.Secret]string{}, accessTokens: map[stschain.Secret]time.Time{},
		}
		portal := s.portal
		s.added["identitycenter"] = added{
			func(path string) bool { return centerPaths[path] != "" },
			func(w http.ResponseWriter, r *http.Request) bool { portal.serve(w, r); return true },
		}
	}
	return s.portal
}

// centerPaths are the operations by path.
var centerPaths = map[string]string{
	"/client/register":        "RegisterClient",
	"/device_authorization":   "StartDeviceAuthorization",
	"/token":                  "CreateToken",
	"/authorize":              "Authorize", // not an operation of the API: a page
	"/federation/credentials": "GetRoleCredentials",
	"/logout":                 "Logout",
}

// Portal is the user of an [IdentityCenter] and the state of the service.
type Portal struct {
	server *Server

	mu            sync.Mutex
	settings      IdentityCenter
	clients       map[string]oidcClient // by ID
	devices       map[stschain.Secret]*deviceCode
	codes         map[stschain.Secret]authorizationCode
	refreshTokens map[stschain.Secret]string // the client's ID
	accessTokens  map[stschain.Secret]time.Time
}

// String returns the name of the type: the state has secrets.
func (p *Portal) String() string { return "ststest.Portal" }

// Format prints String.
func (p *Portal) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

type oidcClient struct {
	secret  stschain.Secret
	expires time.Time
	browser bool // it may use authorization codes
	scopes  []string
}

type deviceCode struct {
	client, userCode string
	expires, latest  time.Time // latest: of its requests
	every            time.Duration
	decided, allowed bool // by the user
}

type authorizationCode struct {
	client, redirectURI, challenge string
	expires                        time.Time
}

// Confirm is the user who confirms the request with a code, or denies it. It reports whether the code is known and new.
func (p *Portal) Confirm(userCode string, allow bool) bool {
	now := p.server.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.devices {
		if d.userCode == userCode && !d.decided && now.Before(d.expires) {
			d.decided, d.allowed = true, allow
			return true
		}
	}
	return false
}

// EndSessions makes all tokens and client registrations invalid.
func (p *Portal) EndSessions() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.accessTokens)
	clear(p.refreshTokens)
	clear(p.clients)
}

// Accepts reports whether an access token is valid.
func (p *Portal) Accepts(accessToken stschain.Secret) bool {
	now := p.server.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.accessTokens[accessToken])
}

// serve implements all operations.
func (p *Portal) serve(w http.ResponseWriter, r *http.Request) {
	r, leave := p.server.enter(r)
	defer leave()

	path, _ := target(r)
	operation := centerPaths[path]
	in, no := readCenter(r, operation)
	form := url.Values{"Action": {operation}}
	for _, name := range []string{"clientId", "clientName", "startUrl", "grantType", "account_id", "role_name"} { // the others may be secret
		if text := in.text(name); text != "" {
			form.Set(name, text)
		}
	}
	x := p.server.begin(r, form)
	x.finish(w, r, no, centerRefusal, func() (*response, *refusal) {
		switch operation {
		case "RegisterClient":
			return p.register(in, x.now)
		case "StartDeviceAuthorization":
			return p.startDevice(in, x.now)
		case "CreateToken":
			return p.createToken(in, x.now)
		case "Authorize":
			return p.authorize(in, x.now)
		case "GetRoleCredentials":
			return p.roleCredentials(x, in)
		}
		return p.logout(in, x.now)
	})
}

// client verifies the registration of a client.
func (p *Portal) client(in centerInput, now time.Time) (oidcClient, *refusal) {
	c, known := p.clients[in.text("clientId")]
	if !known || c.secret != in.secret("clientSecret") || !now.Before(c.expires) {
		return c, &refusal{status: http.StatusUnauthorized, code: "InvalidClientException", message: "Invalid client provided"}
	}
	return c, nil
}

const registrationLife = 90 * 24 * time.Hour

func (p *Portal) register(in centerInput, now time.Time) (*response, *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	grants, browser := in.list("grantTypes"), false
	if slices.Contains(grants, "authorization_code") {
		browser = true
		uris := in.list("redirectUris")
		if len(uris) != 1 || uris[0] != loopbackRedirect || in.text("issuerUrl") != p.settings.StartURL || !slices.Equal(grants, []string{"authorization_code", "refresh_token"}) {
			return nil, malformed("InvalidClientMetadataException", "The grant types, the redirect URI or the issuer of a client for browsers is invalid.")
		}
	} else if len(grants) > 0 || in.text("issuerUrl") != "" || in.list("redirectUris") != nil {
		return nil, malformed("InvalidClientMetadataException", "The client has grant types or redirect URIs that it does not need.")
	}
	for _, scope := range in.list("scopes") {
		if !slices.Contains(knownScopes, scope) {
			return nil, &refusal{status: http.StatusBadRequest, code: "InvalidScopeException", message: "Invalid scope provided"}
		}
	}
	id := newSessionToken(32).Reveal()
	c := oidcClient{newSessionToken(64), now.Add(registrationLife).Truncate(time.Second), browser, in.list("scopes")}
	p.clients[id] = c
	return jsonResponse(http.StatusOK, "", map[string]any{
		"clientId": id, "clientSecret": c.secret.Reveal(), "clientIdIssuedAt": now.Unix(), "clientSecretExpiresAt": c.expires.Unix(),
	}), nil
}

// knownScopes are the scopes of IAM Identity Center and of two applications.
var knownScopes = []string{"sso:account:access", "codewhisperer:completions", "account_access:read_only", "account_access:assume"}

const loopbackRedirect = "http://127.0.0.1/oauth/callback"

func (p *Portal) startDevice(in centerInput, now time.Time) (*response, *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, no := p.client(in, now); no != nil {
		return nil, no
	}
	if in.text("startUrl") != p.settings.StartURL {
		return nil, &refusal{status: http.StatusBadRequest, code: "InvalidRequestException", message: "Invalid start URL provided"}
	}
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	code, userCode := newSessionToken(64), []byte("XXXX-XXXX")
	for i, b := range []byte(code.Reveal())[20:29] {
		if i != 4 {
			userCode[i] = letters[int(b)%len(letters)]
		}
	}
	p.devices[code] = &deviceCode{client: in.text("clientId"), userCode: string(userCode), expires: now.Add(p.settings.CodeLife), every: p.settings.Interval, latest: now.Add(-p.settings.Interval)}
	page := "https://device.sso.eu-west-1.amazonaws.com/"
	return jsonResponse(http.StatusOK, "", map[string]any{
		"deviceCode": code.Reveal(), "userCode": string(userCode), "verificationUri": page, "verificationUriComplete": page + "?user_code=" + string(userCode),
		"expiresIn": int(p.settings.CodeLife / time.Second), "interval": int(p.settings.Interval / time.Second),
	}), nil
}

// authorize is the page that a browser is sent to. It redirects to the client.
func (p *Portal) authorize(in centerInput, now time.Time) (*response, *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, known := p.clients[in.text("client_id")]
	redirect, err := url.Parse(in.text("redirect_uri"))
	switch {
	case !known || !c.browser || !now.Before(c.expires):
		return nil, &refusal{status: http.StatusUnauthorized, code: "InvalidClientException", message: "Invalid client provided"}
	case err != nil, redirect.Port() == "", strings.Replace(redirect.String(), ":"+redirect.Port(), "", 1) != loopbackRedirect:
		return nil, malformed("InvalidRedirectUriException", "The redirect URI is not the registered one with a port.")
	case in.text("response_type") != "code", in.text("code_challenge_method") != "S256", len(in.text("code_challenge")) != 43, len(in.text("state")) < 16:
		return nil, malformed("InvalidRequestException", "response_type, code_challenge_method, code_challenge or state is invalid.")
	case in.text("scopes") != strings.Join(c.scopes, " "):
		return nil, malformed("InvalidScopeException", "The scopes are not those of the client.")
	}
	back := url.Values{"state": {in.text("state")}}
	if p.settings.Deny {
		back.Set("error", "access_denied")
	} else {
		code := newSessionToken(64)
		p.codes[code] = authorizationCode{in.text("client_id"), redirect.String(), in.text("code_challenge"), now.Add(time.Minute)}
		back.Set("code", code.Reveal())
	}
	redirect.RawQuery = back.Encode()
	return &response{status: http.StatusFound, header: http.Header{"Location": {redirect.String()}}}, nil
}
