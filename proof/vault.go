package proof

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Vault generates login requests for HashiCorp Vault or OpenBao, for auth methods of type aws and roles of
// type iam. A token is the JSON of such a request, for POST /v1/auth/aws/login.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://developer.hashicorp.com/vault/api-docs/auth/aws#login
type Vault struct {
	// Client is required; its Credentials are those of the identity. Its endpoint must be that of Vault's
	// sts_endpoint and sts_region: sts.amazonaws.com and us-east-1 if they are not set, which is the Region
	// "aws-global".
	Client *stsquery.Client

	// ServerID is required: the value of the auth method's
	// iam_server_id_header_value. If that is not set, Vault accepts any value,
	// such as its host name.
	ServerID string

	Role    string        // the Vault role. Empty: Vault uses the name of the IAM role or user
	MinLife time.Duration // see the package comment; up to 15 minutes

	caller caller
}

const vaultHeader = "X-Vault-AWS-IAM-Server-ID"

type vaultLogin struct {
	Role    string `json:"role,omitempty"`
	Method  string `json:"iam_http_request_method"`
	URL     []byte `json:"iam_request_url"` // []byte: JSON has it in base64, as Vault does
	Body    []byte `json:"iam_request_body"`
	Headers []byte `json:"iam_request_headers"`
}

// Token returns the JSON of a login.
func (v *Vault) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no Vault login")
	const inQuery = false
	req, by, err := v.caller.post(ctx, statement{
		client: v.Client, header: vaultHeader, audience: v.ServerID, field: "ServerID",
		also: []string{"Content-Length"}, life: signatureLife, minLife: v.MinLife,
	}, inQuery)
	if err != nil {
		return Token{}, err
	}
	// Vault sends only these headers, and refuses X-Amz-* headers that it does not know.
	req.Header.Set("Content-Length", strconv.Itoa(len(getCallerIdentity)))
	headers, _ := json.Marshal(req.Header) // marshaling strings cannot fail
	text, _ := json.Marshal(vaultLogin{
		Role: v.Role, Method: req.Method, URL: []byte(req.URL.String()), Body: []byte(getCallerIdentity), Headers: headers,
	})
	return Token{stschain.NewSecret(string(text)), by.expires}, nil
}
