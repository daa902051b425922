package migrate_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/awssdk"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/source/process"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

// clients are the client of each library that the environment configures.
func clients(t *testing.T) (aws.Config, *stsquery.Client) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	client, err := (&source.Default{}).Client(t.Context())
	require.NoError(t, err)
	return cfg, client
}

func TestV2Default(t *testing.T) {
	same(t, newServer(t), func(ctx context.Context) (string, error) {
		cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("eu-west-1"))
		if err != nil {
			return "", err
		}
		creds, err := cfg.Credentials.Retrieve(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		chain := stschain.Cached(&source.Default{Region: "eu-west-1"})
		creds, err := chain.Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV2Cache(t *testing.T) {
	server := newServer(t)
	same(t, server, func(ctx context.Context) (string, error) {
		provider := credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "SECRET", "")
		cache := aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow = 10 * time.Minute
		})
		creds, err := cache.Retrieve(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		provider := stschain.Static("AKIDEXAMPLE", "SECRET", "")
		cache := &stschain.Cache{
			Provider:       provider,
			AdvisoryWindow: 10 * time.Minute,
		}
		creds, err := cache.Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV2Static(t *testing.T) {
	same(t, newServer(t), func(ctx context.Context) (string, error) {
		provider := credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "SECRET", "")
		creds, err := provider.Retrieve(ctx)
		return creds.AccessKeyID + creds.SecretAccessKey, err
	}, func(ctx context.Context) (string, error) {
		provider := stschain.Static("AKIDEXAMPLE", "SECRET", "")
		creds, err := provider.Retrieve(ctx)
		return creds.AccessKeyID + creds.SecretAccessKey.Reveal(), err
	})
}

func TestV2Role(t *testing.T) {
	server := newServer(t)
	server.AddRole(ststest.Role{ARN: roleARN, ExternalID: "c0ffee"})
	cfg, client := clients(t)
	same(t, server, func(ctx context.Context) (string, error) {
		provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), roleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "nightly"
			o.ExternalID = aws.String("c0ffee")
			o.Duration = time.Hour
			o.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("storage")}}
		})
		creds, err := aws.NewCredentialsCache(provider).Retrieve(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		role := &assumerole.Provider{
			Client:      client,
			RoleARN:     roleARN,
			SessionName: "nightly",
			ExternalID:  "c0ffee",
			Tags:        []stsquery.Tag{{Key: "team", Value: "storage"}},
		}
		creds, err := stschain.Cached(role).Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV2MFA(t *testing.T) {
	server := newServer(t)
	const serial = "arn:aws:iam::123456789012:mfa/alice"
	codes := []string{"123456", "654321"} // each works once
	server.AddMFA(ststest.MFA{Serial: serial, Codes: slices.Clone(codes)})
	server.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	cfg, client := clients(t)
	code := func() (code string) {
		code, codes = codes[0], codes[1:]
		return code
	}
	same(t, server, func(ctx context.Context) (string, error) {
		provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), roleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "nightly"
			o.SerialNumber = aws.String(serial)
			o.TokenProvider = func() (string, error) { return code(), nil }
		})
		creds, err := aws.NewCredentialsCache(provider).Retrieve(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		role := &assumerole.Provider{
			Client:       client,
			RoleARN:      roleARN,
			SessionName:  "nightly",
			SerialNumber: serial,
			Duration:     15 * time.Minute, // the default of the SDK; 0 is an hour here
			MFAToken: func(ctx context.Context, serial string) (stschain.Secret, error) {
				if err := stschain.Prompt(ctx); err != nil { // no prompt in background refreshes
					return stschain.Secret{}, err
				}
				return stschain.NewSecret(code()), nil
			},
		}
		creds, err := stschain.Cached(role).Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}

func TestV2WebIdentity(t *testing.T) {
	server := newServer(t)
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(server.Issuer().Token(nil).Reveal()), 0o600))
	cfg, client := clients(t)
	same(t, server, func(ctx context.Context) (string, error) {
		provider := stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), roleARN, stscreds.IdentityTokenFile(path), func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = "nightly"
		})
		creds, err := aws.NewCredentialsCache(provider).Retrieve(ctx)
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

// The program of the page does not exist: both name it in an error.
func TestV2Process(t *testing.T) {
	_, err := func(ctx context.Context) (aws.Credentials, error) {
		provider := processcreds.NewProvider("/opt/bin/credentials --role nightly")
		creds, err := aws.NewCredentialsCache(provider).Retrieve(ctx)
		return creds, err
	}(t.Context())
	require.ErrorContains(t, err, "error in credential_process")
	_, err = func(ctx context.Context) (stschain.Credentials, error) {
		provider := &process.Provider{Command: "/opt/bin/credentials --role nightly"}
		creds, err := stschain.Cached(provider).Retrieve(ctx)
		return creds, err
	}(t.Context())
	require.ErrorContains(t, err, "/opt/bin/credentials")
	require.NotContains(t, err.Error(), "nightly")
}

func TestV2STS(t *testing.T) {
	server := newServer(t)
	cfg, client := clients(t)
	same(t, server, func(ctx context.Context) (string, error) {
		out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		return aws.ToString(out.Arn), err
	}, func(ctx context.Context) (string, error) {
		out, err := client.GetCallerIdentity(ctx)
		return out.ARN, err
	})
}

func TestV2Presign(t *testing.T) {
	server := newServer(t)
	cfg, client := clients(t)
	same(t, server, func(ctx context.Context) (string, error) {
		out, err := sts.NewPresignClient(sts.NewFromConfig(cfg)).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", err
		}
		return get(ctx, server, out.URL, out.SignedHeader)
	}, func(ctx context.Context) (string, error) {
		out, err := client.Presign(ctx, stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
		if err != nil {
			return "", err
		}
		return get(ctx, server, out.URL.Reveal(), out.Header)
	})
}

func TestV2Signer(t *testing.T) {
	now := time.Now()
	hash := sigv4.PayloadHash(nil)
	same(t, newServer(t), func(ctx context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		signer := v4.NewSigner()
		err := signer.SignHTTP(ctx, aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "SECRET"}, req, hash, "execute-api", "eu-west-1", now)
		return req.Header.Get("Authorization"), err
	}, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		signer := &sigv4.Signer{Service: "execute-api", Region: "eu-west-1"}
		err := signer.Sign(req, hash, stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("SECRET")}, now)
		return req.Header.Get("Authorization"), err
	})
	same(t, newServer(t), func(ctx context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		req.URL.RawQuery += "&X-Amz-Expires=900"
		url, header, err := v4.NewSigner().PresignHTTP(ctx, aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "SECRET"}, req, hash, "execute-api", "eu-west-1", now)
		return signature(t, url) + header.Get("Host"), err
	}, func(context.Context) (string, error) {
		req := newRequest(t, http.MethodGet)
		url, header, err := (&sigv4.Signer{Service: "execute-api", Region: "eu-west-1"}).Presign(req, hash, stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("SECRET")}, now, 15*time.Minute)
		return signature(t, url.Reveal()) + header.Get("Host"), err
	})
}

func TestV2Transport(t *testing.T) {
	chain := &source.Default{}
	server := newServer(t)
	client := &http.Client{Transport: &sigv4.Transport{Service: "execute-api", Region: "eu-west-1", Credentials: chain}}
	client.Transport.(*sigv4.Transport).Base = ststest.InProcess(server.Protect("execute-api", region, nil))
	resp, err := client.Get("https://api.example.com/")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestV2Errors(t *testing.T) {
	server := newServer(t)
	server.AllowRefusals("AccessDenied")
	server.AddRole(ststest.Role{ARN: roleARN, ExternalID: "c0ffee"})
	cfg, client := clients(t)
	same(t, server, func(ctx context.Context) (string, error) {
		_, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(roleARN), RoleSessionName: aws.String("nightly")})
		var refusal smithy.APIError
		if errors.As(err, &refusal) && refusal.ErrorCode() == "AccessDenied" {
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

func TestV2Keep(t *testing.T) {
	server := newServer(t)
	before, client := clients(t)
	same(t, server, func(ctx context.Context) (string, error) {
		creds, err := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(before), roleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName, o.Duration = "nightly", time.Hour
		}).Retrieve(ctx)
		return creds.AccessKeyID, err
	}, func(ctx context.Context) (string, error) {
		role := &assumerole.Provider{Client: client, RoleARN: roleARN, SessionName: "nightly"}
		provider := &awssdk.CredentialsProvider{Credentials: role}
		cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("eu-west-1"), config.WithCredentialsProvider(provider))
		if err != nil {
			return "", err
		}
		cfg.APIOptions = append(cfg.APIOptions, provider.RetryRejected) // optional: one more attempt after a rejected token
		creds, err := cfg.Credentials.Retrieve(ctx)
		return creds.AccessKeyID, err
	})
}
