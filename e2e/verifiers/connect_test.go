package verifiers_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	msk "github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	rds "github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
)

// theirs are our keys for the SDK.
func theirs(from stschain.Provider) aws.CredentialsProviderFunc {
	return func(ctx context.Context) (aws.Credentials, error) {
		c, err := from.Retrieve(ctx)
		return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey.Reveal(), SessionToken: c.SessionToken.Reveal()}, err
	}
}

// password is the parts of a presigned URL without scheme. The order of parameters
// means nothing, and is different in each SDK; an empty path is a slash.
type password struct {
	host, path string
	query      url.Values
}

func read(t *testing.T, s string) password {
	u, err := url.Parse("//" + s)
	require.NoError(t, err)
	q, err := url.ParseQuery(u.RawQuery)
	require.NoError(t, err)
	return password{u.Host, "/" + strings.TrimPrefix(u.Path, "/"), q}
}

// everyKey runs a test with a role's keys and with a user's, at an instant that
// stands still.
func everyKey(t *testing.T, test func(*testing.T, stschain.Provider)) {
	emptyEnvironment(t)
	for name, from := range map[string]stschain.Provider{"role": keys, "user": longKeys} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, from) })
		})
	}
}

func TestRDSEqual(t *testing.T) {
	everyKey(t, func(t *testing.T, from stschain.Provider) {
		for _, user := range []string{"jane", "jane doe", "j+a&n=e", "jäne"} {
			db := &proof.RDS{Credentials: from, Region: "eu-west-1", Endpoint: "db.example.eu-west-1.rds.amazonaws.com:5432", User: user}
			ours, err := db.Token(t.Context())
			require.NoError(t, err)
			want, err := rds.BuildAuthToken(t.Context(), db.Endpoint, db.Region, user, theirs(from))
			require.NoError(t, err)
			require.Equal(t, read(t, want), read(t, ours.Value.Reveal()))
		}
	})
}

// There is no library for caches: AWS publishes code that presigns this URL with the
// signer of an SDK.
func TestPresignsEqual(t *testing.T) {
	everyKey(t, func(t *testing.T, from stschain.Provider) {
		for _, test := range []struct {
			service, url string
			ours         interface {
				Token(context.Context) (proof.Token, error)
			}
		}{
			{"elasticache", "http://cache-01/?Action=connect&User=jane",
				&proof.ElastiCache{Credentials: from, Region: "eu-west-1", Cache: "cache-01", User: "jane"}},
			{"elasticache", "http://cache-01/?Action=connect&User=jane&ResourceType=ServerlessCache",
				&proof.ElastiCache{Credentials: from, Region: "eu-west-1", Cache: "cache-01", User: "jane", Serverless: true}},
			{"dsql", "http://abc.dsql.eu-west-1.on.aws/?Action=DbConnect",
				&proof.DSQL{Credentials: from, Region: "eu-west-1", Endpoint: "abc.dsql.eu-west-1.on.aws"}},
			{"memorydb", "http://cluster-01/?Action=connect&User=jane",
				&proof.MemoryDB{Credentials: from, Region: "eu-west-1", Cluster: "cluster-01", User: "jane"}},
		} {
			ours, err := test.ours.Token(t.Context())
			require.NoError(t, err)
			req, err := http.NewRequest(http.MethodGet, test.url+"&X-Amz-Expires=900", nil)
			require.NoError(t, err)
			creds, err := theirs(from).Retrieve(t.Context())
			require.NoError(t, err)
			const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
			want, _, err := v4.NewSigner().PresignHTTP(t.Context(), creds, req, emptyHash, test.service, "eu-west-1", time.Now().UTC())
			require.NoError(t, err)
			require.Equal(t, read(t, strings.TrimPrefix(want, "http://")), read(t, ours.Value.Reveal()))
		}
	})
}

func TestMSKEqual(t *testing.T) {
	everyKey(t, func(t *testing.T, from stschain.Provider) {
		want, expires, err := msk.GenerateAuthTokenFromCredentialsProvider(t.Context(), "eu-west-1", theirs(from))
		require.NoError(t, err)
		decode := func(token string) password {
			text, err := base64.RawURLEncoding.DecodeString(token)
			require.NoError(t, err)
			s, ok := strings.CutPrefix(string(text), "https://")
			require.True(t, ok)
			return read(t, s)
		}
		agent := decode(want).query.Get("User-Agent")
		require.NotEmpty(t, agent)
		ours, err := (&proof.MSK{Credentials: from, Region: "eu-west-1", UserAgent: agent}).Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, decode(want), decode(ours.Value.Reveal()))
		require.Equal(t, expires, ours.Expires.UnixMilli())
	})
}
