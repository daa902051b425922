// Code of docs/migrate/aws-sdk-go.md.
//
//lint:file-ignore SA1019 The page is about migrating from this deprecated module.

package migrate_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/credentials/stscreds"
	"github.com/aws/aws-sdk-go/aws/session"
	v4 "github.com/aws/aws-sdk-go/aws/signer/v4"
	"github.com/aws/aws-sdk-go/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

// sessionFor returns a session with the keys in the environment. Version 1 does not read the endpoint there.
func sessionFor(t *testing.T, server *ststest.Server) (*session.Session, *stsquery.Client) {
	t.Helper()
	sess, err := session.NewSession(&aws.Config{Endpoint: aws.String(server.URL()), Region: aws.String(region)})
	require.NoError(t, err)
	client, err := (&source.Default{}).Client(t.Context())
	require.NoError(t, err)
	return sess, client
}

// useProfile writes the profile backup, with the keys of a user.
func useProfile(t *testing.T, keys stschain.Credentials) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[backup]\naws_access_key_id = " + keys.AccessKeyID + "\naws_secret_access_key = " + keys.SecretAccessKey.Reveal() + "\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
}

func TestV1Session(t *testing.T) {
	server := newServer(t)
	useProfile(t, server.AddUser("bob").Credentials)
	same(t, server, func(ctx context.Context) (string, error) {
		sess, err := session.NewSessionWithOptions(session.Options{
			Profile:           "backup",
			SharedConfigState: session.SharedConfigEnable,
		})
		if err != nil {
			return "", err
		}
		creds, err := sess.Config.Credentials.GetWithContext(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		chain := stschain.Cached(&source.Default{Profile: "backup"})
		creds, err := chain.Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV1Static(t *testing.T) {
	same(t, newServer(t), func(ctx context.Context) (string, error) {
		cache := credentials.NewStaticCredentials("AKIDEXAMPLE", "SECRET", "")
		creds, err := cache.GetWithContext(ctx)
		return creds.AccessKeyID + creds.SecretAccessKey, err
	}, func(ctx context.Context) (string, error) {
		cache := stschain.Cached(stschain.Static("AKIDEXAMPLE", "SECRET", ""))
		creds, err := cache.Retrieve(ctx)
		return creds.AccessKeyID + creds.SecretAccessKey.Reveal(), err
	})
}

// Without keys in the environment, both chains use the profile.
func TestV1Chain(t *testing.T) {
	server := newServer(t)
	useProfile(t, server.AddUser("bob").Credentials)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	same(t, server, func(ctx context.Context) (string, error) {
		chain := credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvProvider{},
			&credentials.SharedCredentialsProvider{Profile: "backup"},
		})
		creds, err := chain.GetWithContext(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		chain := stschain.Cached(stschain.NewChain(
			&env.Provider{},
			&profile.Provider{Profile: "backup"},
		))
		creds, err := chain.Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV1Role(t *testing.T) {
	server := newServer(t)
	server.AddRole(ststest.Role{ARN: roleARN, ExternalID: "c0ffee"})
	sess, client := sessionFor(t, server)
	same(t, server, func(ctx context.Context) (string, error) {
		creds, err := stscreds.NewCredentials(sess, roleARN, func(p *stscreds.AssumeRoleProvider) {
			p.RoleSessionName = "nightly"
			p.ExternalID = aws.String("c0ffee")
			p.Duration = time.Hour
			p.ExpiryWindow = 5 * time.Minute
		}).GetWithContext(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		role := &assumerole.Provider{
			Client:      client,
			RoleARN:     roleARN,
			SessionName: "nightly",
			ExternalID:  "c0ffee",
		}
		creds, err := stschain.Cached(role).Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV1WebIdentity(t *testing.T) {
	server := newServer(t)
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(server.Issuer().Token(nil).Reveal()), 0o600))
	sess, client := sessionFor(t, server)
	same(t, server, func(ctx context.Context) (string, error) {
		provider := stscreds.NewWebIdentityRoleProviderWithOptions(sts.New(sess), roleARN, "nightly", stscreds.FetchTokenPath(path))
		creds, err := credentials.NewCredentials(provider).GetWithContext(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		role := &webidentity.Provider{
			Client:      client,
			RoleARN:     roleARN,
			SessionName: "nightly",
			Token:       webidentity.TokenFile(path),
		}
		creds, err := stschain.Cached(role).Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV1STS(t *testing.T) {
	server := newServer(t)
	sess, client := sessionFor(t, server)
	same(t, server, func(ctx context.Context) (string, error) {
		out, err := sts.New(sess).GetCallerIdentityWithContext(ctx, &sts.GetCallerIdentityInput{})
		return aws.StringValue(out.Arn), err
	}, func(ctx context.Context) (string, error) {
		out, err := client.GetCallerIdentity(ctx)
		return out.ARN, err
	})
}

func TestV1Presign(t *testing.T) {
	server := newServer(t)
	sess, client := sessionFor(t, server)
	same(t, server, func(ctx context.Context) (string, error) {
		req, _ := sts.New(sess).GetCallerIdentityRequest(&sts.GetCallerIdentityInput{})
		url, err := req.Presign(15 * time.Minute)
		if err != nil {
			return "", err
		}
		return get(ctx, server, url, nil)
	}, func(ctx context.Context) (string, error) {
		out, err := client.Presign(ctx, stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
		if err != nil {
			return "", err
		}
		return get(ctx, server, out.URL.Reveal(), out.Header)
	})
}

func TestV1Signer(t *testing.T) {
	now := time.Now()
	server := newServer(t)
	same(t, server, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodPost)
		signer := v4.NewSigner(credentials.NewStaticCredentials("AKIDEXAMPLE", "SECRET", ""))
		_, err := signer.Sign(req, strings.NewReader("hello"), "execute-api", "eu-west-1", now)
		return signature(t, req.Header.Get("Authorization")), err
	}, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodPost)
		signer := &sigv4.Signer{Service: "execute-api", Region: "eu-west-1"}
		creds := stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("SECRET")}
		err := signer.Sign(req, sigv4.PayloadHash([]byte("hello")), creds, now)
		return signature(t, req.Header.Get("Authorization")), err
	})
	same(t, server, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		signer := v4.NewSigner(credentials.NewStaticCredentials("AKIDEXAMPLE", "SECRET", ""))
		header, err := signer.Presign(req, nil, "execute-api", "eu-west-1", 15*time.Minute, now)
		return signature(t, req.URL.String()) + header.Get("X-Amz-Date"), err
	}, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		signer := &sigv4.Signer{Service: "execute-api", Region: "eu-west-1"}
		creds := stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("SECRET")}
		url, header, err := signer.Presign(req, sigv4.PayloadHash(nil), creds, now, 15*time.Minute)
		return signature(t, url.Reveal()) + header.Get("X-Amz-Date"), err
	})
}

func TestV1Transport(t *testing.T) {
	chain := &source.Default{}
	server := newServer(t)
	client := &http.Client{Transport: &sigv4.Transport{Service: "execute-api", Region: "eu-west-1", Credentials: chain}}
	client.Transport.(*sigv4.Transport).Base = ststest.InProcess(server.Protect("execute-api", region, nil))
	resp, err := client.Get("https://api.example.com/")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestV1Errors(t *testing.T) {
	server := newServer(t)
	server.AllowRefusals("AccessDenied")
	server.AddRole(ststest.Role{ARN: roleARN, ExternalID: "c0ffee"})
	sess, client := sessionFor(t, server)
	same(t, server, func(ctx context.Context) (string, error) {
		_, err := sts.New(sess).AssumeRoleWithContext(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(roleARN), RoleSessionName: aws.String("nightly")})
		if refusal, ok := err.(awserr.Error); ok && refusal.Code() == "AccessDenied" {
			return "denied", nil
		}
		return "", err
	}, func(ctx context.Context) (string, error) {
		_, err := client.AssumeRole(ctx, stsquery.AssumeRoleInput{RoleARN: roleARN, RoleSessionName: "nightly"})
		if refusal, ok := errors.AsType[*stsquery.Error](err); ok && refusal.Code == "AccessDenied" {
			return "denied", nil
		}
		return "", err
	})
}
