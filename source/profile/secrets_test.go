package profile_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

const secret = "C4n4ry/s3cr3t+K3y="

func TestNothingShowsSecrets(t *testing.T) {
	srv := ststest.New()
	srv.AllowRefusals()
	const arn = "role_arn = arn:aws:iam::123456789012:role/r\n"
	for name, config := range map[string]string{
		"keys":                "aws_access_key_id = AKID\naws_secret_access_key = " + secret + "\naws_session_token = " + secret + "\n",
		"process":             "credential_process = keys --password " + secret + "\n",
		"role":                arn + "source_profile = q\n[profile q]\naws_access_key_id = AKID\naws_secret_access_key = " + secret + "\n",
		"role over a process": arn + "source_profile = q\n[profile q]\ncredential_process = keys --password " + secret + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := at(srv, "[profile p]\n"+config)
			p.Run = func(context.Context, string) ([]byte, error) { return nil, errors.New("exit status 1") }
			creds, err := p.Retrieve(t.Context())
			if err != nil {
				canary.Check(t, secret, err)
			}
			files, err := p.Files(t.Context())
			require.NoError(t, err)
			canary.Check(t, secret, p, creds, files, files.Profile("p"), files.Profile("p").Value("aws_secret_access_key"), p.Providers())
		})
	}
}

func TestNoErrorShowsSecrets(t *testing.T) {
	for _, config := range []string{
		"aws_secret_access_key = " + secret,
		"aws_session_token = " + secret,
		"aws_access_key_id = AKID\naws_secret_access_key = " + secret + " x",
		"aws_access_key_id = AKID\naws_secret_access_key = " + secret + "\n  " + secret,
		"aws_secret_access_key " + secret,
		"= " + secret,
		"s3 =\n  " + secret,
		secret,
		"[" + secret,
		"aws_secret_access_key = " + secret + "\x00",
		"role_arn = x\ncredential_source = " + secret,
		"role_arn = x\ncredential_source = Environment\nduration_seconds = " + secret,
		"role_arn = x\ncredential_source = Environment\nmax_attempts = " + secret,
		"role_arn = x\ncredential_source = Environment\nretry_mode = " + secret,
		"role_arn = x\ncredential_source = Environment\nuse_fips_endpoint = " + secret,
		"role_arn = x\ncredential_source = Environment\nendpoint_url = https://user:" + secret + "@sts.example",
		"role_arn = x\ncredential_source = Environment\nmfa_serial = " + secret,
		"login_session = " + secret,
	} {
		keys := env{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}
		_, err := at(ststest.New(), "[profile p]\n"+config, keys).Retrieve(t.Context())
		require.Error(t, err, config)
		require.True(t, strings.HasPrefix(err.Error(), "profile"), err)
		canary.Check(t, secret, err)
	}
}
