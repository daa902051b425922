package profile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// What code or the environment says of the region holds for every hop; otherwise each profile's own does, or
// else that of the profile that named it.
// See docs/defects.md, A7.
func TestRegionOfEveryHop(t *testing.T) {
	for name, test := range map[string]struct {
		env    env
		region string // Provider.Region
		want   []string
	}{
		"environment":        {env{"AWS_REGION": "sa-east-1"}, "", []string{"sa-east-1", "sa-east-1", "sa-east-1"}},
		"older variable":     {env{"AWS_REGION": "", "AWS_DEFAULT_REGION": "ca-west-1"}, "", []string{"ca-west-1", "ca-west-1", "ca-west-1"}},
		"code":               {env{"AWS_REGION": "sa-east-1"}, "me-south-1", []string{"me-south-1", "me-south-1", "me-south-1"}},
		"profiles":           {env{"AWS_REGION": ""}, "", []string{"eu-central-1", "eu-central-1", "us-west-2"}},
		"endpoint, variable": {env{"AWS_REGION": "", "AWS_ENDPOINT_URL_STS": "https://sts.example"}, "", []string{"eu-central-1", "eu-central-1", "us-west-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			p := at(srv, chain+keysOf(srv.User()), test.env)
			p.Region = test.region
			_, err := p.Retrieve(t.Context())
			require.NoError(t, err)
			var regions []string
			for _, c := range srv.Calls() {
				regions = append(regions, c.Region)
				if test.env["AWS_ENDPOINT_URL_STS"] != "" {
					require.Equal(t, "sts.example", c.Host)
				}
			}
			require.Equal(t, test.want, regions)
		})
	}
	// The region of the base profile is in another partition, where this chain's roles are not.
	srv := ststest.NewTest(t)
	_, err := at(srv, chain+"region = cn-northwest-1\n"+keysOf(srv.User()), env{"AWS_REGION": "eu-south-2"}).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sts.eu-south-2.amazonaws.com", srv.Calls()[0].Host)
}

// A profile without any key that names credentials is not configured, unless code names it.
// See docs/defects.md, A3.
func TestProfileOfSettings(t *testing.T) {
	for _, config := range []string{"[profile p]\nregion = eu-south-1\noutput = yaml\n", "[profile p]\n", "[profile p]\naws_access_key_id =\ncli_pager = cat\n"} {
		p := at(nil, config)
		_, err := p.Retrieve(t.Context())
		require.True(t, stschain.IsUnavailable(err), "%v", err)
		require.ErrorContains(t, err, "AWS_PROFILE names the profile p (/home/.aws/config:1), which has settings and no credentials")

		p = at(nil, config)
		p.Profile = "p"
		_, err = p.Retrieve(t.Context())
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.ErrorContains(t, err, "/home/.aws/config:1: [profile p]: Provider.Profile names this profile, and it has no credentials")
	}
	// It is still an error for a role that is to be assumed with its credentials.
	_, err := at(nil, "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = q\n[profile q]\noutput = text\n").Retrieve(t.Context())
	require.False(t, stschain.IsUnavailable(err), "%v", err)
	require.ErrorContains(t, err, "[profile q]: the profile has no credentials")
}

// The token's old name counts where the new one is not there.
// See docs/defects.md, A5.
func TestOldNameOfTheToken(t *testing.T) {
	const pair = "[profile p]\naws_access_key_id = ASIDOLD\naws_secret_access_key = s\n"
	for more, want := range map[string]string{
		"aws_security_token = older":                                "older",
		"aws_security_token = older\naws_session_token = newer":     "newer",
		"aws_session_token = newer\nAWS_SECURITY_TOKEN = older":     "newer",
		"aws_session_token =\naws_security_token = older # of 2014": "older",
	} {
		creds, err := at(nil, pair+more).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, stschain.NewSecret(want), creds.SessionToken, more)
	}
	_, err := at(nil, "[profile p]\naws_security_token = older").Retrieve(t.Context())
	require.ErrorContains(t, err, "the keys of the token are missing")
	_, err = at(nil, pair+"aws_security_token = two words").Retrieve(t.Context())
	require.ErrorContains(t, err, "aws_security_token: the value has white space")
}

// What is to assume a role without saying which is configured and broken, for the default profile too; the text says what to add.
// Report: js-v3#6472.
func TestSourceWithoutARole(t *testing.T) {
	for _, e := range []env{{"AWS_PROFILE": ""}, {"AWS_PROFILE": "default"}} {
		for key, want := range map[string]string{
			"credential_source = EcsContainer": "[profile default] credential_source: role_arn is missing: add the ARN of the role to assume with the credentials of EcsContainer, or remove credential_source",
			"credential_source = Environment":  "credentials of Environment, or remove credential_source",
			"source_profile = base":            "credentials of base, or remove source_profile",
		} {
			_, err := at(nil, "[default]\n"+key+"\nregion = x\n", e).Retrieve(t.Context())
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.ErrorContains(t, err, want)
		}
	}
}

// An invalid account does not make good keys unusable, and is not passed on.
// Report: aws-c-auth (docs/defects.md, A6).
func TestAccountThatIsNone(t *testing.T) {
	for account, want := range map[string]string{"Account7": "", "1111-2222-3333": "", "333322221111": "333322221111"} {
		creds, err := at(nil, "[profile p]\naws_access_key_id = AKID\naws_secret_access_key = s\naws_account_id = "+account).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, creds.AccountID)
	}
}
