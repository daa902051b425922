package howto_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

func TestGatewayErrors(t *testing.T) {
	fake := ststest.NewTest(t)
	sts := &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client(), Retry: stsquery.Retry{MaxAttempts: 1}}
	fake.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/a", ExternalID: "a0"})
	pool := &stschain.Pool[tenant]{New: func(t tenant) (stschain.Provider, error) {
		return &assumerole.Provider{Client: sts, RoleARN: t.roleARN, ExternalID: t.externalID}, nil
	}}
	var errs failures
	send := func(host string, t tenant, unknown error) {
		transport := &sigv4.Transport{
			Service: "execute-api", Region: "eu-west-1", Hosts: []string{"api.example.com"},
			CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) { return pool.Provider(t), unknown },
		}
		_, err := (&http.Client{Transport: transport}).Get("https://" + host + "/")
		errs = append(errs, err)
	}
	send("api.example.com", tenant{"arn:aws:iam::123456789012:role/a", "b0"}, nil)
	send("api.example.com", tenant{}, errors.New("unknown tenant"))
	send("other.example.com", tenant{}, nil)
	fake.FailAll(ststest.Throttle())
	send("api.example.com", tenant{"arn:aws:iam::123456789012:role/b", "b0"}, nil)
	requireRows(t, "gateway.md", errs...)
}

func TestOutageErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := ststest.NewTest(t)
		fake.DisabledRegions = []string{"eu-north-1"}
		var errs failures
		role := func(c *stsquery.Client) stschain.Provider {
			c.Credentials, c.HTTPClient, c.Retry.MaxAttempts = fake.User(), fake.Client(), 1
			return &assumerole.Provider{Client: c, RoleARN: "arn:aws:iam::123456789012:role/backup"}
		}
		errs.of(t, role(&stsquery.Client{Region: "eu-north-1"}))
		errs.of(t, role(&stsquery.Client{Region: "eu-west-1", FallbackRegions: []string{"cn-north-1"}}))
		fake.FailAll(ststest.Hang())
		errs.of(t, role(&stsquery.Client{Region: "eu-west-1"}))
		requireRows(t, "outage.md", errs...)
	})
}

func TestMinIOErrors(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	srv.AddMinIO(ststest.MinIO{Passwords: map[string]stschain.Secret{"alice": stschain.NewSecret("correct horse")}})
	client := &stsquery.Client{Endpoint: "https://minio.example", HTTPClient: srv.Client(), Retry: stsquery.Retry{MaxAttempts: 1}}
	password := func(context.Context) (stschain.Secret, error) { return stschain.NewSecret("a guess"), nil }
	var errs failures
	errs.of(t, &minio.LDAP{Client: client, Username: "alice", Password: password})
	errs.of(t, &minio.LDAP{Client: client, Username: "bob", Password: password})
	errs.of(t, &minio.CustomToken{Client: client, RoleARN: "arn:minio:iam:::role/idmp-test", Token: webidentity.TokenFile(writeFile(t, "token", "a-long-token"))})
	errs.of(t, &minio.Certificate{Client: &stsquery.Client{Endpoint: "https://127.0.0.1:1"}, CertificateFile: "../../minio/testdata/a.pem", KeyFile: "../../minio/testdata/b.pem"})
	requireRows(t, "minio.md", errs...)
}

func TestFleetErrors(t *testing.T) {
	fake := ststest.NewTest(t)
	sts := &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()}
	role := &assumerole.Provider{Client: sts, RoleARN: "arn:aws:iam::123456789012:role/backup", SessionName: "nightly"}
	key := func(c byte) stschain.Secret { return stschain.NewSecret(string(append(make([]byte, 31), c))) }
	var errs failures
	events := make(chan shared.Event, 10)
	memory := new(storetest.Memory)
	fleet := func(p stschain.Provider, key stschain.Secret) *shared.Provider {
		return &shared.Provider{Provider: p, Store: memory, Keys: []stschain.Secret{key}, NamingKey: stschain.NewSecret(string(make([]byte, 32))), OnEvent: func(e shared.Event) { events <- e }}
	}
	errs.of(t, fleet(&assumerole.Provider{Client: sts, RoleARN: role.RoleARN}, key(1)))
	errs.of(t, fleet(&assumerole.Provider{Client: &stsquery.Client{Credentials: &source.Default{}, Region: "eu-west-1"}, RoleARN: role.RoleARN, SessionName: "nightly"}, key(1)))
	errs.of(t, fleet(stschain.ProviderFunc(role.Retrieve), key(1)))
	errs.of(t, fleet(role, stschain.NewSecret("short")))
	_, err := fleet(role, key(1)).Retrieve(t.Context())
	require.NoError(t, err)
	_, err = fleet(role, key(2)).Retrieve(t.Context())
	require.NoError(t, err)
	for e := range events {
		if e.Kind == shared.Unusable {
			errs = append(errs, e.Err)
			break
		}
	}
	requireRows(t, "fleet.md", errs...)
}
