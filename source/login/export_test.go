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

// Ahead is by how much the server's clock is ahead, as a response shows.
func Ahead(header http.Header, sent, received time.Time) (time.Duration, bool) {
	var p Provider
	p.compare(wire.Response{Header: header, Sent: sent, Received: received})
	_, ok := wire.MeasureSkew(header, sent, received)
	return p.clockOff(), ok
}

// ParseAnswer parses the response to a request that was sent at the epoch.
func ParseAnswer(body []byte) (creds stschain.Credentials, refreshToken string, err error) {
	r, err := parse(wire.Response{Body: body, Sent: time.Unix(0, 0)})
	return r.creds, r.refreshToken.Reveal(), err
}
