package proof

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/wire"
)

// MSK generates tokens for Amazon MSK clusters, for the SASL mechanism OAUTHBEARER. A token is valid for
// 15 minutes, at every cluster of the region to which the caller has access.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://github.com/aws/aws-msk-iam-sasl-signer-go
type MSK struct {
	Credentials stschain.Provider // required; retrieved through stschain.Cached. They need kafka-cluster:Connect
	Region      string            // required: the cluster's, "eu-west-1"
	UserAgent   string            // the client's name in the logs of the brokers; not signed. Empty: "stschain"
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the system clock

	connector connector
}

// Token returns a bearer token.
func (m *MSK) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no MSK token")
	signed, by, err := m.connector.presign(ctx, "https", connection{
		credentials: m.Credentials, service: "kafka-cluster", region: m.Region,
		fields: []field{{"Region", m.Region, wire.IsLabel, "one host label"}}, // it becomes part of the host
		host:   "kafka." + m.Region + ".amazonaws.com", query: url.Values{"Action": {"kafka-cluster:Connect"}},
		minLife: m.MinLife, clock: m.Clock,
	})
	if err != nil {
		return Token{}, err
	}
	signed += "&User-Agent=" + url.QueryEscape(cmp.Or(m.UserAgent, "stschain"))
	return Token{stschain.NewSecret(base64.RawURLEncoding.EncodeToString([]byte(signed))), by.expires}, nil
}
