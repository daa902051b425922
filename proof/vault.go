package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Vault makes what a login at HashiCorp Vault or OpenBao is asked with, for auth
// methods of type aws and roles of type iam. A token is the JSON of such a request,
// for POST /v1/auth/aws/login.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
//
// Format: https://developer.hashicorp.com/vault/api-docs/auth/aws#login
type Vault struct {
	// Client is required; the login is about its Credentials. Its endpoint must be
	// the one that Vault's sts_endpoint and sts_region name: sts.amazonaws.com and
	// us-east-1 where they are not set, which is the Region "aws-global".
	Client *stsquery.Client

	// ServerID is required: what the auth method's iam_server_id_header_value says.
	// Where it is not set Vault accepts any; its address is a good one.
	ServerID string

	Role    string        // to log in for. Empty: Vault takes the name of the IAM role or user
	MinLife time.Duration // see the package comment; up to 15 minutes

	caller caller
}

const vaultHeader = "X-Vault-AWS-IAM-Server-ID"

type vaultLogin struct {
	Role    string `json:"role,omitempty"`
	Method  string `json:"iam_http_request_method"`
	URL     []byte `json:"iam_request_url"` // which JSON has in base64, as Vault does
	Body    []byte `json:"iam_request_body"`
	Headers []byte `json:"iam_request_headers"`
}

// Token returns the JSON of a login.
func (v *Vault) Token(ctx context.Context) (Token, error) {
	t, err := v.token(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("proof: no Vault login: %w", err)
	}
	return t, nil
}

func (v *Vault) token(ctx context.Context) (Token, error) {
	if v == nil {
		return Token{}, stschain.Permanent(errors.New("the Vault is nil"))
	}
	s := statement{
		client: v.Client, header: vaultHeader, audience: v.ServerID, field: "ServerID",
		also: []string{"Content-Length"}, life: signatureLife, minLife: v.MinLife,
	}
	by, err := v.caller.begin(ctx, s)
	if err != nil {
		return Token{}, err
	}
	req, err := v.caller.post(s, by, v.caller.to.URL, getCallerIdentity)
	if err != nil {
		return Token{}, err
	}
	// Vault sends these and no others. It refuses X-Amz-* ones that it does not know.
	req.Header.Set("Content-Length", strconv.Itoa(len(getCallerIdentity)))
	headers, _ := json.Marshal(req.Header) // strings never fail
	text, _ := json.Marshal(vaultLogin{
		Role: v.Role, Method: req.Method, URL: []byte(req.URL.String()), Body: []byte(getCallerIdentity), Headers: headers,
	})
	return Token{stschain.NewSecret(string(text)), by.expires}, nil
}
