package proof_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
)

// The passwords are, byte for byte, those of botocore 1.29.27 with the same keys at the same time (DSQL:
// 1.43.11, with the parameters in another order): generate_db_auth_token, generate_db_connect_auth_token,
// generate_db_connect_admin_auth_token, and for caches generate_presigned_url as in the guide of Valkey
// GLIDE.
// Reports: kine#726.
func TestPasswords(t *testing.T) {
	c := fakeClock()
	const common = "&X-Amz-Date=20261121T120000Z&X-Amz-SignedHeaders=host&X-Amz-Expires=900" +
		"&X-Amz-Security-Token=token%2Fwith%2Bspecial%3Dchars&X-Amz-Signature="
	for want, make := range map[string]maker{
		"rdsmysql.123456789012.us-west-2.rds.amazonaws.com:3306/?Action=connect&DBUser=jane%20doe&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Fus-west-2%2Frds-db%2Faws4_request" + common +
			"0e617feacb1390b521c2da704beebbb4038deb77a60abdc9f107f494634c1050": (&proof.RDS{Credentials: example, Region: "us-west-2",
			Endpoint: "rdsmysql.123456789012.us-west-2.rds.amazonaws.com:3306", User: "jane doe", Clock: c}).Token,
		"abc.dsql.us-east-1.on.aws/?Action=DbConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Fus-east-1%2Fdsql%2Faws4_request" + common +
			"1f449c75e29ece2c59779112f35dd05eb4b2c4981f466fa163aaab6814e6d18d": (&proof.DSQL{Credentials: example, Region: "us-east-1",
			Endpoint: "abc.dsql.us-east-1.on.aws", Clock: c}).Token,
		"abc.dsql.us-east-1.on.aws/?Action=DbConnectAdmin&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Fus-east-1%2Fdsql%2Faws4_request" + common +
			"e0eb165604ae279b8107033eba33931a8a3ab63ddcac7a58825cf97e486f73ce": (&proof.DSQL{Credentials: example, Region: "us-east-1",
			Endpoint: "abc.dsql.us-east-1.on.aws", Admin: true, Clock: c}).Token,
		"cache-01/?Action=connect&User=iam-user&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Fus-east-1%2Felasticache%2Faws4_request" + common +
			"e935d1c97477a6ff79ef60355d3feeac696fb38df4183d4023ad23d5fab1aa84": (&proof.ElastiCache{Credentials: example, Region: "us-east-1",
			Cache: "cache-01", User: "iam-user", Clock: c}).Token,
		"cache-01/?Action=connect&ResourceType=ServerlessCache&User=iam-user&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Fus-east-1%2Felasticache%2Faws4_request" + common +
			"e84160b6292843b538c19079c7fe7665f66cc814ebe8c37fcb6f54701454faa9": (&proof.ElastiCache{Credentials: example, Region: "us-east-1",
			Cache: "cache-01", User: "iam-user", Serverless: true, Clock: c}).Token,
		"cache-01/?Action=connect&User=iam-user&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Fus-east-1%2Fmemorydb%2Faws4_request" + common +
			"475908ba62ce5ef4ec83921e55b13579236e3304d4163f6bf0d6e0160f9ee688": (&proof.MemoryDB{Credentials: example, Region: "us-east-1",
			Cluster: "cache-01", User: "iam-user", Clock: c}).Token,
	} {
		token, err := make(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, token.Value.Reveal())
		require.Equal(t, start.Add(15*time.Minute), token.Expires)
	}
}

func TestMSK(t *testing.T) {
	for agent, want := range map[string]string{"": "stschain", "billing/1.0 (x&y)": "billing/1.0 (x&y)"} {
		token, err := (&proof.MSK{Credentials: example, Region: region, UserAgent: agent, Clock: fakeClock()}).Token(t.Context())
		require.NoError(t, err)
		text, err := base64.RawURLEncoding.DecodeString(token.Value.Reveal())
		require.NoError(t, err)
		u, err := url.Parse(string(text))
		require.NoError(t, err)
		require.Equal(t, "https://kafka.eu-west-1.amazonaws.com/", u.Scheme+"://"+u.Host+u.Path)
		q := u.Query()
		require.Equal(t, "kafka-cluster:Connect", q.Get("Action"))
		require.Equal(t, want, q.Get("User-Agent"))
		require.Equal(t, "900", q.Get("X-Amz-Expires"))
		require.Equal(t, "AKIDEXAMPLE/20261121/eu-west-1/kafka-cluster/aws4_request", q.Get("X-Amz-Credential"))
	}
}

func TestDSQLLife(t *testing.T) {
	c := fakeClock()
	d := proof.DSQL{Credentials: example, Region: region, Endpoint: "abc.dsql.eu-west-1.on.aws", Duration: 7 * 24 * time.Hour, Clock: c}
	token, err := d.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, start.Add(7*24*time.Hour), token.Expires)
	require.Contains(t, token.Value.Reveal(), "&X-Amz-Expires=604800&")

	short := &proof.DSQL{Credentials: newSource(c, time.Hour), Region: region, Endpoint: d.Endpoint, Duration: d.Duration, Clock: c}
	token, err = short.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, start.Add(time.Hour), token.Expires, "it expires with the credentials")
	short = &proof.DSQL{Credentials: newSource(c, time.Hour), Region: region, Endpoint: d.Endpoint, Duration: d.Duration, MinLife: d.Duration, Clock: c}
	_, err = short.Token(t.Context())
	require.ErrorContains(t, err, "168h0m0s are required")
	for _, life := range []time.Duration{-time.Second, time.Millisecond, 7*24*time.Hour + time.Second} {
		_, err = (&proof.DSQL{Credentials: example, Region: region, Endpoint: d.Endpoint, Duration: life}).Token(t.Context())
		require.ErrorContains(t, err, "Duration is ")
	}
}

func TestConnectRefusals(t *testing.T) {
	var nothing stschain.Provider
	for want, make := range map[string]maker{
		"RDS password: Credentials is missing":                                 (&proof.RDS{Credentials: nothing, Region: region, Endpoint: "db:1", User: "u"}).Token,
		"RDS password: Region is missing":                                      (&proof.RDS{Credentials: example, Endpoint: "db:1", User: "u"}).Token,
		"RDS password: Endpoint is missing":                                    (&proof.RDS{Credentials: example, Region: region, User: "u"}).Token,
		"RDS password: User is missing":                                        (&proof.RDS{Credentials: example, Region: region, Endpoint: "db:1"}).Token,
		"RDS password: Endpoint is \"db\", and host:port":                      (&proof.RDS{Credentials: example, Region: region, Endpoint: "db", User: "u"}).Token,
		"RDS password: Endpoint is \"https://db:1\", and host:port":            (&proof.RDS{Credentials: example, Region: region, Endpoint: "https://db:1", User: "u"}).Token,
		"RDS password: Endpoint is \"db:99999\", and host:port":                (&proof.RDS{Credentials: example, Region: region, Endpoint: "db:99999", User: "u"}).Token,
		"RDS password: Endpoint is \":1\", and host:port":                      (&proof.RDS{Credentials: example, Region: region, Endpoint: ":1", User: "u"}).Token,
		"DSQL password: Endpoint is missing":                                   (&proof.DSQL{Credentials: example, Region: region}).Token,
		"DSQL password: Endpoint is \"db:5432\", and a host name":              (&proof.DSQL{Credentials: example, Region: region, Endpoint: "db:5432"}).Token,
		"ElastiCache password: Cache is missing":                               (&proof.ElastiCache{Credentials: example, Region: region, User: "u"}).Token,
		"ElastiCache password: User is missing":                                (&proof.ElastiCache{Credentials: example, Region: region, Cache: "c"}).Token,
		"ElastiCache password: Cache is \"c.cache.amazonaws.com\", and a name": (&proof.ElastiCache{Credentials: example, Region: region, Cache: "c.cache.amazonaws.com", User: "u"}).Token,
		"MemoryDB password: Cluster is missing":                                (&proof.MemoryDB{Credentials: example, Region: region, User: "u"}).Token,
		"MSK token: Region is missing":                                         (&proof.MSK{Credentials: example}).Token,
		"MSK token: Credentials is missing":                                    (&proof.MSK{Region: region}).Token,
		"MSK token: Region is \"a.b\", and one host label is required":         (&proof.MSK{Credentials: example, Region: "a.b"}).Token,
	} {
		token, err := make(t.Context())
		require.ErrorContains(t, err, "proof: no "+want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Zero(t, token)
	}
}

func TestIPv6(t *testing.T) {
	token, err := (&proof.RDS{Credentials: example, Region: region, Endpoint: "[2001:db8::1]:5432", User: "u"}).Token(t.Context())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(token.Value.Reveal(), "[2001:db8::1]:5432/?Action=connect&DBUser=u&"))
}
