package proof

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// GCP generates subject tokens for Google Cloud workload identity federation, of the type
// urn:ietf:params:aws:token-type:aws4_request. Google's Security Token Service exchanges one for an access
// token.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
type GCP struct {
	Client *stsquery.Client // required; its Credentials are those of the identity

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
func (g *GCP) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no subject token for Google Cloud")
	const inQuery = true // the format has no place for a body
	req, by, err := g.caller.post(ctx, statement{
		client: g.Client, header: gcpHeader, audience: g.Audience, field: "Audience",
		life: signatureLife, minLife: g.MinLife,
	}, inQuery)
	if err != nil {
		return Token{}, err
	}
	if req.URL.Path == "/" {
		req.URL.Path = "" // as Google's libraries write it; the signature is the same
	}
	req.Header.Set("Host", req.URL.Host)
	r := gcpRequest{URL: req.URL.String(), Method: req.Method}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		r.Headers = append(r.Headers, gcpHeaderLine{name, req.Header.Get(name)})
	}
	text, _ := json.Marshal(r) // marshaling strings cannot fail
	return Token{stschain.NewSecret(url.QueryEscape(string(text))), by.expires}, nil
}
