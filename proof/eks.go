package proof

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// EKS generates tokens for the API servers of Amazon EKS, and of other clusters that use aws-iam-authenticator.
//
// STS accepts the signature for 15 minutes, and Expires is after 14, so that a token is still valid when
// the request arrives. A token has at most 4096 bytes. A session token that does not fit, because it has
// many tags, is an error.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
type EKS struct {
	Client  *stsquery.Client // required; its Credentials are those of the identity, and Region should be the cluster's
	Cluster string           // required: the name of the cluster, or the ID that its authenticator uses
	MinLife time.Duration    // see the package comment; up to 14 minutes

	caller caller
}

const (
	eksPrefix   = "k8s-aws-v1."
	eksHeader   = "X-K8s-Aws-Id"
	eksLife     = signatureLife - time.Minute
	eksURLLife  = time.Minute // X-Amz-Expires; STS ignores it, and old verifiers accept no more
	eksLongest  = 4096
	execAPI     = "client.authentication.k8s.io/"
	execKind    = "ExecCredential"
	execDefault = execAPI + "v1beta1"
)

// Token returns a bearer token.
func (e *EKS) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no EKS token")
	return e.token(ctx)
}

func (e *EKS) token(ctx context.Context) (Token, error) {
	signed, by, err := e.caller.url(ctx, statement{
		client: e.Client, header: eksHeader, audience: e.Cluster, field: "Cluster",
		life: eksLife, minLife: e.MinLife,
	}, eksURLLife)
	if err != nil {
		return Token{}, err
	}
	if u := e.caller.to.URL; u.Scheme != "https" || u.Path != "/" || u.RawQuery != "" {
		return Token{}, stschain.Permanent(errors.New("Client.Endpoint is not a plain STS endpoint: clusters accept https without a path or a query"))
	}
	value := eksPrefix + base64.RawURLEncoding.EncodeToString([]byte(signed))
	if len(value) > eksLongest {
		return Token{}, stschain.Permanent(fmt.Errorf("the token would have %d bytes, and clusters accept %d: the session token of %s is too long; reduce its tags and policies",
			len(value), eksLongest, by.creds.Origin))
	}
	return Token{stschain.NewSecret(value), by.expires}, nil
}

// ExecCredential returns a token in the form that kubectl and client-go expect on the standard output of
// a credential plugin: JSON of client.authentication.k8s.io. execInfo is the value of the variable
// KUBERNETES_EXEC_INFO that they set for the plugin; it names the version, v1 or v1beta1. Empty: v1beta1.
func (e *EKS) ExecCredential(ctx context.Context, execInfo string) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no ExecCredential")
	version, err := execVersion(execInfo)
	if err != nil {
		return Token{}, err
	}
	t, err := e.token(ctx)
	if err != nil {
		return Token{}, err
	}
	credential := execCredential{Kind: execKind, APIVersion: version}
	credential.Status.ExpirationTimestamp = t.Expires.UTC().Truncate(time.Second).Format(time.RFC3339)
	credential.Status.Token = t.Value.Reveal()
	text, _ := json.Marshal(credential) // marshaling strings cannot fail
	return Token{stschain.NewSecret(string(text)), t.Expires}, nil
}

type execCredential struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Spec       struct{} `json:"spec"`
	Status     struct {
		ExpirationTimestamp string `json:"expirationTimestamp"`
		Token               string `json:"token"`
	} `json:"status"`
}

// execVersion returns the version that the ExecCredential must have.
func execVersion(execInfo string) (string, error) {
	if execInfo == "" {
		return execDefault, nil
	}
	var info struct{ Kind, APIVersion string }
	if err := json.Unmarshal([]byte(execInfo), &info); err != nil || info.Kind != execKind {
		return "", stschain.Permanent(errors.New("KUBERNETES_EXEC_INFO is not an ExecCredential in JSON"))
	}
	switch info.APIVersion {
	case execAPI + "v1", execAPI + "v1beta1":
		return info.APIVersion, nil
	}
	return "", stschain.Permanent(fmt.Errorf("KUBERNETES_EXEC_INFO requests the version %.64q, and only %sv1 and v1beta1 are supported", info.APIVersion, execAPI))
}
