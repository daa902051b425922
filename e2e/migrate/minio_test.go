package migrate_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"path"
	"testing"
	"time"

	minioclient "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/miniosts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

func TestMinIOStatic(t *testing.T) {
	same(t, newServer(t), func(ctx context.Context) (string, error) {
		cache := credentials.NewStaticV4("AKIDEXAMPLE", "SECRET", "")
		creds, err := cache.GetWithContext(&credentials.CredContext{Context: ctx})
		return creds.AccessKeyID + creds.SecretAccessKey, err
	}, func(ctx context.Context) (string, error) {
		cache := stschain.Cached(stschain.Static("AKIDEXAMPLE", "SECRET", ""))
		creds, err := cache.Retrieve(ctx)
		return creds.AccessKeyID + creds.SecretAccessKey.Reveal(), err
	})
}

func TestMinIOChain(t *testing.T) {
	same(t, newServer(t), func(ctx context.Context) (string, error) {
		chain := credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{},
			&credentials.FileAWSCredentials{},
			&credentials.IAM{},
		})
		creds, err := chain.GetWithContext(&credentials.CredContext{Context: ctx, Client: http.DefaultClient})
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		chain := stschain.Cached(&source.Default{})
		creds, err := chain.Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestMinIORole(t *testing.T) {
	server := newServer(t)
	endpoint, keys := server.URL(), server.User().Credentials
	same(t, server, func(ctx context.Context) (string, error) {
		cache, err := credentials.NewSTSAssumeRole(endpoint, credentials.STSAssumeRoleOptions{
			AccessKey:       keys.AccessKeyID,
			SecretKey:       keys.SecretAccessKey.Reveal(),
			Location:        "us-east-1",
			RoleARN:         roleARN,
			RoleSessionName: "nightly",
			DurationSeconds: 3600,
		})
		if err != nil {
			return "", err
		}
		creds, err := cache.GetWithContext(&credentials.CredContext{Context: ctx, Client: http.DefaultClient})
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		role := &assumerole.Provider{
			Client: &stsquery.Client{
				Credentials: stschain.Static(keys.AccessKeyID, keys.SecretAccessKey.Reveal(), ""),
				Endpoint:    endpoint,
				Region:      "us-east-1",
			},
			RoleARN:     roleARN,
			SessionName: "nightly",
		}
		creds, err := stschain.Cached(role).Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

// minio-go does not export the session name, so each library sends its own.
func TestMinIOWebIdentity(t *testing.T) {
	server := newServer(t)
	endpoint, token := server.URL(), server.Issuer().Token(nil)
	idToken := func(context.Context) (stschain.Secret, error) { return token, nil }
	same(t, server, func(ctx context.Context) (string, error) {
		cache, err := credentials.NewSTSWebIdentity(endpoint, func() (*credentials.WebIdentityToken, error) {
			token, err := idToken(ctx)
			return &credentials.WebIdentityToken{Token: token.Reveal()}, err
		}, func(i *credentials.STSWebIdentity) { i.RoleARN = roleARN })
		if err != nil {
			return "", err
		}
		creds, err := cache.GetWithContext(&credentials.CredContext{Context: ctx, Client: http.DefaultClient})
		return roleOf(server, creds.AccessKeyID), err
	}, func(ctx context.Context) (string, error) {
		role := &webidentity.Provider{
			Client:  &stsquery.Client{Endpoint: endpoint, Region: "us-east-1"},
			RoleARN: roleARN,
			Token:   idToken,
		}
		creds, err := stschain.Cached(role).Retrieve(ctx)
		return roleOf(server, creds.AccessKeyID), err
	})
}

// roleOf returns the role of a session.
func roleOf(server *ststest.Server, keyID string) string {
	caller, _ := server.Caller(keyID)
	return path.Dir(caller.ARN)
}

func TestMinIOLDAP(t *testing.T) {
	const password = "correct horse"
	server := newServer(t)
	server.AddMinIO(ststest.MinIO{Passwords: map[string]stschain.Secret{"alice": stschain.NewSecret(password)}})
	endpoint := server.URL()
	same(t, server, func(ctx context.Context) (string, error) {
		cache, err := credentials.NewLDAPIdentity(endpoint, "alice", password)
		if err != nil {
			return "", err
		}
		creds, err := cache.GetWithContext(&credentials.CredContext{Context: ctx, Client: http.DefaultClient})
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		alice := &minio.LDAP{
			Client:   &stsquery.Client{Endpoint: endpoint},
			Username: "alice",
			Password: func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(password), nil },
		}
		creds, err := stschain.Cached(alice).Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestMinIOCustomToken(t *testing.T) {
	const token = "custom token"
	server := newServer(t)
	server.AddMinIO(ststest.MinIO{Tokens: map[string]stschain.Secret{"alice": stschain.NewSecret(token)}})
	endpoint := server.URL()
	same(t, server, func(ctx context.Context) (string, error) {
		cache, err := credentials.NewCustomTokenCredentials(endpoint, token, "arn:minio:iam:::role/idmp-test")
		if err != nil {
			return "", err
		}
		creds, err := cache.GetWithContext(&credentials.CredContext{Context: ctx, Client: http.DefaultClient})
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		custom := &minio.CustomToken{
			Client:  &stsquery.Client{Endpoint: endpoint},
			RoleARN: "arn:minio:iam:::role/idmp-test",
			Token:   func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(token), nil },
		}
		creds, err := stschain.Cached(custom).Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

// Needs TLS and files, so it is only compiled. Package minio and e2e/servers have tests of certificates.
var _ = []any{certificateBefore, certificateAfter}

func certificateBefore(endpoint string) (*credentials.Credentials, error) {
	certificate, err := tls.LoadX509KeyPair("tls.crt", "tls.key")
	if err != nil {
		return nil, err
	}
	cache, err := credentials.NewSTSCertificateIdentity(endpoint, certificate)
	return cache, err
}

func certificateAfter(endpoint string) stschain.Provider {
	cache := stschain.Cached(&minio.Certificate{
		Client:          &stsquery.Client{Endpoint: endpoint},
		CertificateFile: "tls.crt",
		KeyFile:         "tls.key",
	})
	return cache
}

// protected returns a transport to a server that returns the caller of each request for S3.
func protected(server *ststest.Server) http.RoundTripper {
	return ststest.InProcess(server.Protect("s3", "us-east-1", nil))
}

func TestMinIOSign(t *testing.T) {
	server := newServer(t)
	keys, chain := server.User().Credentials, &source.Default{}
	same(t, server, func(context.Context) (string, error) {
		client := &http.Client{Transport: protected(server)}
		req := newRequest(t, http.MethodGet)
		req.Header.Set("X-Amz-Content-Sha256", sigv4.PayloadHash(nil))
		req = signer.SignV4(*req, keys.AccessKeyID, keys.SecretAccessKey.Reveal(), "", "us-east-1")
		resp, err := client.Do(req)
		return body(t, resp, err)
	}, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "us-east-1", Credentials: chain}}
		client.Transport.(*sigv4.Transport).Base = protected(server)
		resp, err := client.Do(req)
		return body(t, resp, err)
	})
}

func TestMinIOPresign(t *testing.T) {
	server := newServer(t)
	keys, chain := server.User().Credentials, &source.Default{}
	client := &http.Client{Transport: protected(server)}
	same(t, server, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		req = signer.PreSignV4(*req, keys.AccessKeyID, keys.SecretAccessKey.Reveal(), "", "us-east-1", 900)
		url := req.URL.String()
		resp, err := client.Get(url)
		return body(t, resp, err)
	}, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		transport := &sigv4.Transport{Service: "s3", Region: "us-east-1", Credentials: chain}
		presigned, err := transport.Presign(req, 15*time.Minute)
		require.NoError(t, err)
		resp, err := client.Get(presigned.URL.Reveal())
		return body(t, resp, err)
	})
}

func TestMinIOKeep(t *testing.T) {
	role := stschain.Static("AKIDEXAMPLE", "SECRET", "")
	provider := &miniosts.CredentialsProvider{Credentials: role}
	client, err := minioclient.New("minio.example:9000", &minioclient.Options{
		Creds:     credentials.New(provider),
		Secure:    true,
		Transport: provider.RetryRejected(nil), // optional: one more attempt after a rejected token
	})
	require.NoError(t, err)
	creds, err := client.GetCreds()
	require.NoError(t, err)
	require.Equal(t, "AKIDEXAMPLE", creds.AccessKeyID)
}
