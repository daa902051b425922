package sso

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

// client is the registration of a client at the OIDC service.
type client struct {
	id, secret stschain.Secret
	expires    time.Time // by the clock of the service
	cached     bool      // it is from a file
}

const (
	registrationWindow = 15 * time.Minute // a registration is used if this remains, as in the AWS CLI
	defaultScope       = "sso:account:access"
	redirectPath       = "/oauth/callback"
	codeGrant          = "authorization_code"
)

// registration is the file of a client as the AWS CLI writes it. Those of device codes have no grantTypes.
type registration struct {
	ClientID     string   `json:"clientId"`
	ClientSecret string   `json:"clientSecret"`
	ExpiresAt    string   `json:"expiresAt"`
	Scopes       []string `json:"scopes,omitempty"`
	GrantTypes   []string `json:"grantTypes,omitempty"`
}

// registered returns the cached client, or else registers one. fresh registers one in any case. Of processes that
// need a client at the same time, one registers it.
func (l *Login) registered(ctx context.Context, at places, fresh bool) (client, error) {
	path, err := l.registrationPath()
	if err != nil {
		return client{}, err
	}
	lock, err := tokenfile.Lock(ctx, path)
	if err != nil {
		if err = fmt.Errorf("cannot write to the directory of the token: %w", err); ctx.Err() == nil {
			err = stschain.Permanent(err)
		}
		return client{}, err
	}
	defer lock.Release()
	if c, ok := l.cachedClient(ctx, path); ok && !fresh {
		return c, nil
	}
	c, doc, err := l.register(ctx, at)
	if err != nil {
		return client{}, err
	}
	if err := lock.Write(doc); err != nil {
		return client{}, stschain.Permanent(fmt.Errorf("cannot write the client registration to %s: %w", path, err))
	}
	return c, nil
}

// cachedClient reads a registration. One that cannot be used is replaced.
func (l *Login) cachedClient(ctx context.Context, path string) (client, bool) {
	doc, err := tokenfile.Read(ctx, path, nil)
	if err != nil {
		return client{}, false
	}
	texts, err := doc.Required("clientId", "clientSecret")
	expires, expiresErr := doc.Time("expiresAt")
	if err != nil || expiresErr != nil || expires.Sub(l.now()) < registrationWindow {
		return client{}, false
	}
	var grants []string
	_ = json.Unmarshal([]byte(doc.JSON("grantTypes").Reveal()), &grants) // missing in those of device codes
	return client{texts[0], texts[1], expires, true}, slices.Contains(grants, codeGrant) == l.Browser
}

// register calls RegisterClient, and returns the client and its file.
func (l *Login) register(ctx context.Context, at places) (client, tokenfile.Document, error) {
	name := l.Session
	if name == "" {
		name = strconv.FormatInt(l.now().Unix(), 10)
	}
	body := map[string]any{"clientName": "botocore-client-" + name, "clientType": "public"}
	file := registration{Scopes: l.Scopes}
	if l.Browser {
		if len(file.Scopes) == 0 {
			file.Scopes = []string{defaultScope}
		}
		file.GrantTypes = []string{codeGrant, "refresh_token"}
		body["grantTypes"], body["issuerUrl"] = file.GrantTypes, l.StartURL
		body["redirectUris"] = []string{"http://127.0.0.1" + redirectPath} // any port is accepted (RFC 8252, 7.3)
	}
	if len(file.Scopes) > 0 {
		body["scopes"] = file.Scopes
	}
	var result struct {
		ClientID              string `json:"clientId"`
		ClientSecret          string `json:"clientSecret"`
		ClientSecretExpiresAt int64  `json:"clientSecretExpiresAt"` // seconds since 1970
	}
	if _, err := l.call(ctx, at, "client/register", l.MaxAttempts, body, &result); err != nil {
		return client{}, tokenfile.Document{}, err
	}
	const lastYear = 253402300799 // 9999, the last year that RFC 3339 can express
	if result.ClientID == "" || result.ClientSecret == "" || result.ClientSecretExpiresAt < 1 || result.ClientSecretExpiresAt > lastYear {
		return client{}, tokenfile.Document{}, invalid(at, "clientId, clientSecret or clientSecretExpiresAt is missing or invalid")
	}
	c := client{id: stschain.NewSecret(result.ClientID), secret: stschain.NewSecret(result.ClientSecret), expires: time.Unix(result.ClientSecretExpiresAt, 0).UTC()}
	file.ClientID, file.ClientSecret, file.ExpiresAt = result.ClientID, result.ClientSecret, c.expires.Format(time.RFC3339)
	text, err := json.Marshal(file)
	if err != nil {
		return client{}, tokenfile.Document{}, err
	}
	doc, err := tokenfile.Parse(text)
	return c, doc, err
}

func (l *Login) registrationPath() (string, error) {
	return cachePath(l.CacheDir, registrationName(l.Region, l.StartURL, l.Session, l.Scopes))
}

// registrationName is the text whose hash names the file of a registration: what the AWS CLI writes with json.dumps of Python.
func registrationName(region, startURL, session string, scopes []string) string {
	list, name := "null", "null"
	if scopes != nil {
		quoted := make([]string, len(scopes))
		for i, s := range scopes {
			quoted[i] = quoteASCII(s)
		}
		list = "[" + strings.Join(quoted, ", ") + "]"
	}
	if session != "" {
		name = quoteASCII(session)
	}
	return fmt.Sprintf(`{"region": %s, "scopes": %s, "session_name": %s, "startUrl": %s, "tool": "botocore"}`, quoteASCII(region), list, name, quoteASCII(startURL))
}

// quoteASCII returns a JSON string in ASCII, as json.dumps of Python writes it.
func quoteASCII(s string) string {
	short := strings.NewReplacer("\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch escaped := short.Replace(string(r)); {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case ' ' <= r && r <= '~' || len(escaped) == 2 && escaped[0] == '\\':
			b.WriteString(escaped)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
