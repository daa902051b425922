package profile_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// Keys that are rewritten under a running program are used: within a quarter of an hour, and
// at once when a service rejects the old ones.
// Reports: aws-sdk-go-v2#853, minio-go#1487, dbhub#437, aws-sdk-ruby#1619.
func TestRotatedKeysAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := files{}
		rotate := func(id string) {
			disk["/home/.aws/config"] = "[profile p]\naws_access_key_id = " + id + "\naws_secret_access_key = s\n"
		}
		rotate("AKIDONE")
		p := at(nil, "")
		p.Open = disk.open
		cache := stschain.Cached(p)
		get := func() stschain.Credentials {
			creds, err := cache.Retrieve(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			return creds
		}
		require.Equal(t, "AKIDONE", get().AccessKeyID)
		rotate("AKID-2-SECOND")
		<-time.After(15 * time.Minute)
		get()
		old := get()
		require.Equal(t, "AKID-2-SECOND", old.AccessKeyID)

		rotate("AKID-3")
		<-time.After(10 * time.Second)
		cache.Invalidate(old)
		require.Equal(t, "AKID-3", get().AccessKeyID)
	})
}

// What a role was assumed with is part of what it is: when the keys of its source profile are
// those of another identity, it is assumed anew.
// Reports: 1Password's shell-plugins#180.
func TestRoleOfOtherKeys(t *testing.T) {
	srv := ststest.NewTest(t)
	alice, bob := srv.User(), srv.AddUser("bob")
	config := func(u ststest.User) string {
		return "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/last\nsource_profile = q\n" +
			"[profile q]\nrole_arn = arn:aws:iam::123456789012:role/first\nsource_profile = base\n[profile base]\n" + keysOf(u)
	}
	disk := files{"/home/.aws/config": config(alice)}
	p := at(srv, "")
	p.Open = disk.open
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, alice.ARN, srv.Calls()[0].Caller)

	disk["/home/.aws/config"] = "# by another program\n" + config(bob) // of another size, since these files have no dates
	before := srv.Count("")
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, before+2, srv.Count(""))
	require.Equal(t, bob.ARN, srv.Calls()[before].Caller)
}

// A role over the agent of a container gives credentials of the role, and not those of the agent.
// Reports: VictoriaMetrics#2875.
func TestRoleOverTheContainer(t *testing.T) {
	srv := ststest.NewTest(t)
	user := srv.User()
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId": %q, "SecretAccessKey": %q, "Expiration": %q}`,
			user.Credentials.AccessKeyID, user.Credentials.SecretAccessKey.Reveal(), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer agent.Close()
	p := at(srv, "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\ncredential_source = EcsContainer\n", env{"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.URL})
	p.HTTPClient = &http.Client{Transport: split{srv.Client().Transport}}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "assumerole arn:aws:iam::123456789012:role/r", creds.Origin)
	caller, ok := srv.Caller(creds.AccessKeyID)
	require.True(t, ok)
	require.True(t, strings.HasPrefix(caller.ARN, "arn:aws:sts::123456789012:assumed-role/r/"), caller.ARN)
}
