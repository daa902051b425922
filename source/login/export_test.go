package login

import (
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// ParseKey reads a key and signs a proof with it.
func ParseKey(text string) (signed string, err error) {
	key, err := parseKey(stschain.NewSecret(text))
	if err != nil {
		return "", err
	}
	dpop, err := proof(key, "https://example.com/v1/token", time.Unix(0, 0))
	return dpop.Reveal(), err
}

// TokenURL is where a provider refreshes.
func TokenURL(p *Provider) (string, error) {
	u, err := p.tokenURL()
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func Ahead(answer http.Header, sent, received time.Time) (time.Duration, bool) {
	measured, ok := wire.MeasureSkew(answer, sent, received)
	return ahead(measured), ok
}

// ParseAnswer is what the service gives, sent for at the epoch.
func ParseAnswer(body []byte) (creds stschain.Credentials, refreshToken string, err error) {
	a, err := parseAnswer(body, time.Unix(0, 0))
	return a.creds, a.refreshToken.Reveal(), err
}
