package profile_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

// kept is a provider that a WrapRole returns. It calls no STS.
type kept struct {
	stschain.Provider
	rejected *[]string
}

func (k kept) Retrieve(context.Context) (stschain.Credentials, error) {
	return stschain.Credentials{AccessKeyID: "ASIAKEPT", SecretAccessKey: stschain.NewSecret("canary/kept/secret"), Expires: time.Now().Add(time.Hour), Origin: fmt.Sprint(k.Provider)}, nil
}

func (k kept) Invalidate(c stschain.Credentials) { *k.rejected = append(*k.rejected, c.AccessKeyID) }

// Each role of a chain is wrapped once, and keys are not.
func TestWrapRole(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/"
	var wrapped, rejected []string
	p := &profile.Provider{
		LookupEnv: env{"AWS_CONFIG_FILE": "/config"}.lookup, Region: "eu-west-1",
		Open: files{"/config": "[default]\nrole_arn = " + arn + "last\nsource_profile = first\n[profile first]\nrole_arn = " + arn + "first\nsource_profile = keys\n" +
			"[profile keys]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = canary/keys/secret\n"}.open,
	}
	p.WrapRole = func(role stschain.Provider) stschain.Provider {
		_, _ = p.Names(t.Context()) // it is not called under a lock
		wrapped = append(wrapped, fmt.Sprint(role))
		return kept{role, &rejected}
	}
	for range 2 {
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ASIAKEPT", creds.AccessKeyID)
		require.Equal(t, "assumerole "+arn+"last", creds.Origin)
		p.Invalidate(creds)
	}
	require.Equal(t, []string{"assumerole " + arn + "last"}, wrapped, "the first role was not called")
	require.Equal(t, []string{"ASIAKEPT", "ASIAKEPT"}, rejected)
	last := p.Providers()[0]
	require.Equal(t, "assumerole "+arn+"last", fmt.Sprint(last))
	require.IsType(t, kept{}, last.(stschain.Parent).Providers()[0])

	keys := &profile.Provider{Profile: "keys", LookupEnv: p.LookupEnv, Open: p.Open, WrapRole: p.WrapRole}
	creds, err := keys.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIAKEYS", creds.AccessKeyID)
	require.Len(t, wrapped, 1)
}

func TestNames(t *testing.T) {
	p := &profile.Provider{
		LookupEnv: env{"AWS_CONFIG_FILE": "/config", "AWS_SHARED_CREDENTIALS_FILE": "/credentials"}.lookup,
		Open:      files{"/config": "[default]\n[profile b]\n[c]\n[sso-session s]\n[profile a]\nrole_arn\n", "/credentials": "[keys]\n"}.open,
	}
	names, err := p.Names(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "default", "keys"}, names)

	names, err = (&profile.Provider{LookupEnv: env{}.lookup}).Names(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)

	_, err = (&profile.Provider{LookupEnv: env{"AWS_CONFIG_FILE": "/none"}.lookup, Open: files{}.open}).Names(t.Context())
	require.ErrorContains(t, err, "AWS_CONFIG_FILE")
}
