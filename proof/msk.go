package proof

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// MSK makes tokens for clusters of Amazon MSK, for the SASL mechanism OAUTHBEARER.
// One is good for 15 minutes, at every cluster of the region that lets the caller in.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
//
// Format: https://github.com/aws/aws-msk-iam-sasl-signer-go
type MSK struct {
	Credentials stschain.Provider // required; asked through stschain.Cached. They need kafka-cluster:Connect
	Region      string            // required: the cluster's, "eu-west-1"
	UserAgent   string            // what the brokers may log of the client; not signed. Empty: "stschain"
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the real one

	connector connector
}

// Token returns a bearer token.
func (m *MSK) Token(ctx context.Context) (Token, error) {
	t, err := m.token(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("proof: no MSK token: %w", err)
	}
	return t, nil
}

func (m *MSK) token(ctx context.Context) (Token, error) {
	if m == nil {
		return Token{}, stschain.Permanent(errors.New("the MSK is nil"))
	}
	if m.Region != "" && !wire.IsLabel(m.Region) { // it becomes part of the host
		return Token{}, stschain.Permanent(fmt.Errorf("Region %.128q is not one host label", m.Region))
	}
	query := url.Values{"Action": {"kafka-cluster:Connect"}}
	signed, by, err := m.connector.presign(ctx, connection{
		credentials: m.Credentials, service: "kafka-cluster", region: m.Region,
		url:  url.URL{Scheme: "https", Host: "kafka." + m.Region + ".amazonaws.com", Path: "/", RawQuery: query.Encode()},
		life: signatureLife, minLife: m.MinLife, clock: m.Clock,
	})
	if err != nil {
		return Token{}, err
	}
	signed += "&User-Agent=" + url.QueryEscape(cmp.Or(m.UserAgent, "stschain"))
	return Token{stschain.NewSecret(base64.RawURLEncoding.EncodeToString([]byte(signed))), by.expires}, nil
}
