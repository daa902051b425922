package profile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/ststest"
)

// The preference and the region set are read as botocore reads them, except that the names may have blanks around them.
func TestRegionSet(t *testing.T) {
	const none = "<nil>"
	for _, test := range []struct {
		config string
		env    env
		want   string
	}{
		{"", nil, none},
		{"auth_scheme_preference = sigv4a", nil, ""},
		{"auth_scheme_preference = sigv4a,sigv4", nil, ""},
		{"auth_scheme_preference = sigv4,sigv4a", nil, none},
		{"auth_scheme_preference = httpBearerAuth", nil, none},
		{"auth_scheme_preference = httpBearerAuth , noAuth, ,sigv4a", nil, ""},
		{"auth_scheme_preference = SigV4a", nil, none},
		{"auth_scheme_preference = sig v4a", nil, ""},
		{"auth_scheme_preference = ,", nil, none},
		{"auth_scheme_preference = sigv4", env{"AWS_AUTH_SCHEME_PREFERENCE": "\tsigv4a "}, ""},
		{"auth_scheme_preference = sigv4a", env{"AWS_AUTH_SCHEME_PREFERENCE": "sigv4"}, none},
		{"auth_scheme_preference = sigv4a", env{"AWS_AUTH_SCHEME_PREFERENCE": ""}, ""},
		{"sigv4a_signing_region_set = *", nil, none},
		{"auth_scheme_preference = sigv4a\nsigv4a_signing_region_set = *", nil, "*"},
		{"auth_scheme_preference = sigv4a\nsigv4a_signing_region_set = us-east-1 , eu-west-1", nil, "us-east-1,eu-west-1"},
		{"auth_scheme_preference = sigv4a\nsigv4a_signing_region_set = *", env{"AWS_SIGV4A_SIGNING_REGION_SET": "eu-*"}, "eu-*"},
		{"", env{"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a", "AWS_SIGV4A_SIGNING_REGION_SET": "*"}, "*"},
	} {
		client, err := at(nil, "[profile p]\n"+test.config+"\n", test.env).Client(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, test.want, fmt.Sprint(client.SigningRegionSet), "%q %v", test.config, test.env)
	}
}

func TestRegionSetNotValid(t *testing.T) {
	for _, value := range []string{"us-east-1,", ",", "us-east-1 eu-west-1", "us-east-1;eu-west-1", "**", "*-1", "us-east-1,,eu-west-1", "é"} {
		p := at(nil, "[profile p]\nauth_scheme_preference = sigv4a\nsigv4a_signing_region_set = "+value+"\n")
		_, err := p.Settings(t.Context())
		require.ErrorIs(t, err, stschain.ErrPermanent, value)
		require.ErrorContains(t, err, "/home/.aws/config:3: [profile p] sigv4a_signing_region_set: ")
		require.ErrorContains(t, err, "is not a valid region name")
	}
	p := at(nil, "[profile p]\n", env{"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a", "AWS_SIGV4A_SIGNING_REGION_SET": "a,b c"})
	_, err := p.Settings(t.Context())
	require.ErrorContains(t, err, `profile: AWS_SIGV4A_SIGNING_REGION_SET: "b c" is not a valid region name`)
}

// Every role of a profile is assumed with SigV4a, and a report says so. What needs no signature has none.
func TestRolesWithSigV4a(t *testing.T) {
	srv := ststest.NewTest(t)
	config := "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/top\nsource_profile = base\nregion = eu-west-1\n" +
		"[profile base]\nrole_arn = arn:aws:iam::123456789012:role/base\nsource_profile = keys\n[profile keys]\n" + keysOf(srv.User())
	p := at(srv, config, env{"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a", "AWS_SIGV4A_SIGNING_REGION_SET": "us-east-1,eu-west-1", "AWS_REGION": ""})
	report := stschain.Explain(t.Context(), p)
	require.NoError(t, report.Err)
	require.Equal(t, 2, strings.Count(report.String(), "signed with SigV4a for us-east-1,eu-west-1"), report)
	calls := srv.Calls()
	require.Len(t, calls, 2)
	for _, call := range calls {
		require.Equal(t, "us-east-1,eu-west-1", call.Header.Get("X-Amz-Region-Set"))
	}

	srv = ststest.NewTest(t)
	p = at(srv, "[profile p]\nregion = eu-west-1\nauth_scheme_preference = sigv4a\n"+
		"role_arn = arn:aws:iam::123456789012:role/r\nweb_identity_token_file = /run/token\n", env{"AWS_REGION": ""})
	p.Open = files{"/home/.aws/config": "[profile p]\nregion = eu-west-1\nauth_scheme_preference = sigv4a\n" +
		"role_arn = arn:aws:iam::123456789012:role/r\nweb_identity_token_file = /run/token\n", "/run/token": srv.Issuer().Token(nil).Reveal()}.open
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Empty(t, srv.Calls()[0].Header.Get("X-Amz-Region-Set"))

	client, err := p.Client(t.Context(), srv.User())
	require.NoError(t, err)
	_, err = client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "eu-west-1", srv.Calls()[1].Header.Get("X-Amz-Region-Set"), "the region of the client")
}

// FuzzRegionSet: a value is either refused, or has only names that a request may contain.
func FuzzRegionSet(f *testing.F) {
	for _, seed := range []string{"*", "us-east-1,eu-west-1", "us-east-1, eu-*", ",", "a,,b", " ", "**", "a\r\nb", "é"} {
		f.Add("sigv4a", seed)
	}
	f.Add("sigv4,sigv4a", "*")
	f.Add(" sig v4a\t,", "*")
	f.Add("si gv4a", "*")
	f.Fuzz(func(t *testing.T, preference, set string) {
		p := &profile.Provider{LookupEnv: env{"AWS_AUTH_SCHEME_PREFERENCE": preference, "AWS_SIGV4A_SIGNING_REGION_SET": set, "AWS_REGION": "eu-west-1"}.lookup, Open: files{}.open}
		client, err := p.Client(t.Context(), nil)
		if err != nil || client.SigningRegionSet == nil {
			return
		}
		names := client.SigningRegionSet.String()
		require.False(t, strings.ContainsAny(names, " \t\r\n"), "%q", names)
		if names != "" {
			require.False(t, slices.Contains(strings.Split(names, ","), ""), "%q", names)
		}
	})
}
