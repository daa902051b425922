package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// GCP makes subject tokens for the workload identity federation of Google Cloud,
// of the type urn:ietf:params:aws:token-type:aws4_request. Google's Security Token
// Service gives an access token for one.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
//
// Format: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
type GCP struct {
	Client *stsquery.Client // required; the token is about its Credentials

	// Audience is required: the full name of the workload identity provider,
	// "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER".
	Audience string

	MinLife time.Duration // see the package comment; up to 15 minutes

	caller caller
}

const gcpHeader = "X-Goog-Cloud-Target-Resource"

type gcpRequest struct {
	URL     string          `json:"url"`
	Method  string          `json:"method"`
	Headers []gcpHeaderLine `json:"headers"`
}

type gcpHeaderLine struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Token returns a subject token.
func (g *GCP) Token(ctx context.Context) (Token, error) {
	t, err := g.token(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("proof: no subject token for Google Cloud: %w", err)
	}
	return t, nil
}

func (g *GCP) token(ctx context.Context) (Token, error) {
	if g == nil {
		return Token{}, stschain.Permanent(errors.New("the GCP is nil"))
	}
	s := statement{
		client: g.Client, header: gcpHeader, audience: g.Audience, field: "Audience",
		life: signatureLife, minLife: g.MinLife,
	}
	by, err := g.caller.begin(ctx, s)
	if err != nil {
		return Token{}, err
	}
	u := g.caller.inQuery() // there is no place for a body in the token
	if u.Path == "/" {
		u.Path = "" // as Google's libraries write it
	}
	req, err := g.caller.post(s, by, u, "")
	if err != nil {
		return Token{}, err
	}
	req.Header.Set("Host", u.Host)
	r := gcpRequest{URL: u.String(), Method: req.Method}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		r.Headers = append(r.Headers, gcpHeaderLine{name, req.Header.Get(name)})
	}
	text, _ := json.Marshal(r) // strings never fail
	return Token{stschain.NewSecret(url.QueryEscape(string(text))), by.expires}, nil
}
