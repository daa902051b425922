package ststest

import (
	"cmp"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
)

// Issuer is an OpenID Connect identity provider: it signs tokens for
// AssumeRoleWithWebIdentity. It generates its keys when it first needs them. Do
// not change its fields after first use, and do not copy it.
//
// An Issuer is an http.Handler too, which serves its discovery document and its
// keys, for servers that fetch them.
type Issuer struct {
	URL       string         // required: the iss claim, "https://oidc.example"
	Audiences []string       // that are registered in IAM; Token uses the first. nil: "sts.amazonaws.com"
	Algorithm string         // of Token: "RS256", "ES256" or "ES384"; "": "ES256", whose keys are the fastest to generate
	Lifetime  time.Duration  // of tokens without an exp; 0: an hour
	Clock     stschain.Clock // nil: the system clock. For the iat, nbf and exp of tokens without them

	mu      sync.Mutex
	keys    map[string]*signingKey // by algorithm
	revoked map[string]bool        // SHA-256 of tokens
}

// NewIssuer returns an issuer. [Server.AddIssuer] makes a server accept its tokens.
func NewIssuer(url string) *Issuer { return &Issuer{URL: url} }

// Issuer returns the issuer https://oidc.example, whose tokens the server
// accepts from the start. It uses the server's clock.
func (s *Server) Issuer() *Issuer {
	s.lock()
	defer s.mu.Unlock()
	return s.issuer
}

// AddIssuer makes the server accept tokens of an issuer, as registering it in
// IAM does, for the roles of every account.
func (s *Server) AddIssuer(i *Issuer) {
	switch {
	case i == nil || i.URL == "":
		s.mistake(errors.New("AddIssuer: Issuer.URL is empty"))
		return
	case !slices.Contains(signingAlgorithms, i.algorithm()):
		s.mistake(fmt.Errorf("AddIssuer: Issuer.Algorithm %q is not one of %v", i.Algorithm, signingAlgorithms))
		return
	}
	s.lock()
	defer s.mu.Unlock()
	s.issuers[i.URL] = i
}

// Outbound returns the issuer of the tokens of GetWebIdentityToken. Verify
// tokens with its Verify, its PublicKeys, or the keys that it serves.
func (s *Server) Outbound() *Issuer {
	s.lock()
	defer s.mu.Unlock()
	return s.outbound
}

// Token returns a signed JWT with these claims. If they are missing, iss, sub
// ("system:serviceaccount:default:app"), aud, iat, nbf, exp and jti are added;
// a claim that is nil is omitted. With claims that JSON cannot represent, no
// server accepts the token.
func (i *Issuer) Token(claims map[string]any) stschain.Secret {
	now := i.now()
	all := map[string]any{
		"iss": i.URL,
		"sub": "system:serviceaccount:default:app",
		"aud": i.audiences()[0],
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"exp": now.Add(i.lifetime()).Unix(),
		"jti": requestID(),
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return stschain.NewSecret(i.sign(i.algorithm(), all))
}

// Revoke makes servers return IDPRejectedClaim for a token.
func (i *Issuer) Revoke(token stschain.Secret) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.revoked == nil {
		i.revoked = map[string]bool{}
	}
	i.revoked[hexHash([]byte(token.Reveal()))] = true
}

// Verify checks a token's signature, iss, exp and nbf, and returns its claims.
// It does not allow for clock skew.
func (i *Issuer) Verify(token stschain.Secret, at time.Time) (map[string]any, error) {
	t, err := parseJWT(token.Reveal())
	if err != nil {
		return nil, fmt.Errorf("ststest: %w", err)
	}
	if no := i.verify(t, at); no != nil {
		return nil, fmt.Errorf("ststest: %s: %s", no.code, no.message)
	}
	return t.claims, nil
}

// PublicKeys returns the keys that the issuer has signed with so far, by key ID.
func (i *Issuer) PublicKeys() map[string]crypto.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys := map[string]crypto.PublicKey{}
	for _, k := range i.keys {
		keys[k.id] = k.public
	}
	return keys
}

// ServeHTTP serves /.well-known/openid-configuration and the keys that it names.
// Paths may have the prefix of URL's path.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var document any
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "only GET is served here", http.StatusMethodNotAllowed)
		return
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		document = map[string]any{
			"issuer":                                i.URL,
			"jwks_uri":                              strings.TrimSuffix(i.URL, "/") + "/keys",
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": signingAlgorithms,
		}
	case strings.HasSuffix(r.URL.Path, "/keys"):
		document = map[string]any{"keys": i.jwks()}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(document)
}

// String names the issuer.
func (i *Issuer) String() string { return "ststest.Issuer " + i.URL }

// Format prints String for every verb of fmt.
func (i *Issuer) Format(f fmt.State, _ rune) { io.WriteString(f, i.String()) }

func (i *Issuer) now() time.Time {
	if i.Clock == nil {
		return time.Now()
	}
	return i.Clock.Now()
}

func (i *Issuer) lifetime() time.Duration { return cmp.Or(i.Lifetime, time.Hour) }

func (i *Issuer) algorithm() string { return cmp.Or(i.Algorithm, "ES256") }

func (i *Issuer) audiences() []string {
	if len(i.Audiences) == 0 {
		return []string{"sts.amazonaws.com"}
	}
	return i.Audiences
}

// verify is Verify with the errors of STS.
func (i *Issuer) verify(t jwt, at time.Time) *refusal {
	key := i.key(t.algorithm, t.keyID)
	switch {
	case t.text("iss") != i.URL:
		return badIdentity("No OpenIDConnect provider found in your account for " + t.text("iss"))
	case key == nil:
		return badIdentity("Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	case !key.verify(t):
		return badIdentity("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	exp, hasExp := t.time("exp")
	nbf, hasNbf := t.time("nbf")
	switch {
	case !hasExp:
		return badIdentity("Missing a required claim: exp")
	case !at.Before(exp):
		return expiredIdentity(fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d", at.Unix(), exp.Unix()))
	case hasNbf && at.Before(nbf):
		return badIdentity(fmt.Sprintf("Token not yet valid: current date/time %d must be after the not-before date/time %d", at.Unix(), nbf.Unix()))
	}
	return nil
}

// rejects reports whether Revoke was called for the token.
func (i *Issuer) rejects(token string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.revoked[hexHash([]byte(token))]
}

// accepts reports whether the audience is registered.
func (i *Issuer) accepts(audience string) bool { return slices.Contains(i.audiences(), audience) }
