package sigv4_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// TestS3Session: the token of a session has a header and a parameter of its own. Package ststest verifies the signatures, in its tests and
// in those of grants/s3express.
func TestS3Session(t *testing.T) {
	keys, session := creds("AKID"), true
	tr := &sigv4.Transport{
		CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) {
			return stschain.Cached(stschain.Static(keys.AccessKeyID, keys.SecretAccessKey.Reveal(), keys.SessionToken.Reveal())), nil
		},
		Scope: func(*http.Request) (sigv4.Scope, error) {
			return sigv4.Scope{Service: "s3express", Region: "us-west-2", S3Session: session}, nil
		},
		Clock: fixedClock(now),
	}
	const object = "https://b--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/a//b%2Fc"
	token := keys.SessionToken.Reveal()
	req := newRequest(t, "GET", object, nil)
	for _, session = range []bool{true, false, true} { // the headers of an earlier signature are removed
		require.NoError(t, tr.SignRequest(req))
		name, other := "X-Amz-S3session-Token", "X-Amz-Security-Token"
		if !session {
			name, other = other, name
		}
		require.Equal(t, []string{token}, req.Header[name])
		require.NotContains(t, req.Header, other)
		require.Contains(t, req.Header.Get("Authorization"), "AKID/20261121/us-west-2/s3express/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-s")
		require.Equal(t, "/a//b/c", req.URL.EscapedPath(), "as for s3")
	}
	link, err := tr.Presign(newRequest(t, "GET", object, nil), time.Minute)
	require.NoError(t, err)
	u, err := url.Parse(link.URL.Reveal())
	require.NoError(t, err)
	require.Equal(t, []string{token}, u.Query()["X-Amz-S3session-Token"])
	require.False(t, u.Query().Has("X-Amz-Security-Token"))
	_, err = tr.Presign(newRequest(t, "GET", object+"?x-amz-s3SESSION-token=x", nil), time.Minute)
	require.ErrorContains(t, err, "the request is already signed: its query has")

	keys.SessionToken = stschain.Secret{}
	_, err = tr.RoundTrip(newRequest(t, "GET", object, nil))
	require.ErrorContains(t, err, "sigv4: no credentials for s3express in us-west-2: a session of S3 Express has a session token, and these credentials have none")
	_, err = tr.Presign(newRequest(t, "GET", object, nil), time.Minute)
	require.ErrorContains(t, err, "these credentials have none")
}
