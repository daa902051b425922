package proof_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/proof"
)

// notSent are operations of AWS Sign-In for which this library has no use; source/login calls CreateOAuth2Token.
var notSent = []string{
	"DeleteConsoleAuthorizationConfiguration", "DeleteResourcePermissionStatement", "GetConsoleAuthorizationConfiguration", "GetResourcePolicy",
	"IntrospectOAuth2TokenWithIAM", "ListResourcePermissionStatements", "PutConsoleAuthorizationConfiguration", "PutResourcePermissionStatement",
	"RevokeOAuth2TokenWithIAM",
}

// signInCalls get a token with every member of the request set, over a transport.
var signInCalls = map[string]func(http.RoundTripper) maker{
	createBearer: func(rt http.RoundTripper) maker {
		return (&proof.Bearer{Credentials: example, Region: region, Resource: "ecr.amazonaws.com", Duration: 5 * minute, MaxAttempts: 1, HTTPClient: &http.Client{Transport: rt}}).Token
	},
	withIAM: func(rt http.RoundTripper) maker {
		return (&proof.Bearer{Credentials: example, Region: region, Resource: "aws-mcp.amazonaws.com", OAuth: true, MaxAttempts: 1, HTTPClient: &http.Client{Transport: rt}}).Token
	},
	tokenExchange: func(rt http.RoundTripper) maker {
		return (&proof.TokenExchange{SubjectToken: subject("JWT"), Region: region, Resource: "glue.amazonaws.com", Scope: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
			MaxAttempts: 1, HTTPClient: &http.Client{Transport: rt}}).Token
	},
}

// snapshots compares requests, responses and errors with the snapshots of the AWS SDK for Go v2. Their
// values are placeholders.
func snapshots(t *testing.T) {
	for _, s := range conformance.Snapshots(t, "signin") {
		operation, kind, _ := strings.Cut(s.Name, ".")
		if operation == "CreateOAuth2Token" {
			continue // source/login tests it
		}
		t.Run("sso-login/signin/"+s.Name, func(t *testing.T) {
			switch kind {
			case "request":
				snapshotRequest(t, operation, s)
			case "response":
				snapshotResponse(t, operation, s)
			default:
				snapshotError(t, s)
			}
		})
	}
}

func snapshotRequest(t *testing.T, operation string, s conformance.Snapshot) {
	sent := map[string]*http.Request{}
	for name, make := range signInCalls {
		_, err := make(transport(func(r *http.Request) (*http.Response, error) {
			sent[name] = r.Clone(t.Context())
			body, _ := io.ReadAll(r.Body)
			sent[name].Body = io.NopCloser(strings.NewReader(string(body)))
			return nil, errors.New("not sent")
		}))(t.Context())
		require.ErrorContains(t, err, "not sent")
	}
	if sent[operation] == nil {
		require.Contains(t, notSent, operation)
		for _, r := range sent {
			require.NotEqual(t, s.Target, r.URL.RequestURI())
		}
		return
	}
	r := sent[operation]
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, s.Method, r.Method)
	require.Equal(t, s.Target, r.URL.RequestURI())
	require.Equal(t, s.Header["Content-Type"], r.Header.Get("Content-Type"))
	require.Equal(t, conformance.Members(s.Body), conformance.Members(string(body)))
}

// A response is accepted if it has a token, whichever operation it is of.
func snapshotResponse(t *testing.T, operation string, s conformance.Snapshot) {
	require.Equal(t, 200, s.Status)
	body := strings.NewReplacer("__TokenType__", "Bearer", "__IssuedTokenType__", "urn:ietf:params:oauth:token-type:access_token", `"expires_in":1`, `"expires_in":60`).Replace(s.Body)
	for name, make := range signInCalls {
		token, err := make(transport(func(r *http.Request) (*http.Response, error) {
			return response(r, s.Status, s.Header["Content-Type"], body), nil
		}))(t.Context())
		if signInCalls[operation] == nil {
			require.ErrorContains(t, err, "200 OK: unexpected response: not a JSON object with access_token", name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, "__AccessToken__", token.Value.Reveal())
	}
}

func snapshotError(t *testing.T, s conformance.Snapshot) {
	var doc struct {
		Type    string `json:"__type"`
		Error   string
		Message string
	}
	require.NoError(t, json.Unmarshal([]byte(s.Body), &doc))
	for name, make := range signInCalls {
		_, err := make(transport(func(r *http.Request) (*http.Response, error) {
			return response(r, s.Status, s.Header["Content-Type"], s.Body), nil
		}))(t.Context())
		refused, ok := errors.AsType[*proof.SignInError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, []any{name, s.Status, doc.Type, doc.Error, doc.Message},
			[]any{refused.Operation, refused.StatusCode, refused.Code, refused.Reason, refused.Message})
		require.Equal(t, s.Status < 429, errors.Is(err, stschain.ErrPermanent))
		require.Equal(t, s.Status == 429, errors.Is(err, stschain.ErrThrottled))
	}
}
