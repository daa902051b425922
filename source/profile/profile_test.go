package profile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/ststest"
)

// at is a provider of the profile p whose STS is srv, over a config file.
func at(srv *ststest.Server, config string, more ...env) *profile.Provider {
	e := env{"HOME": "/home", "AWS_PROFILE": "p", "AWS_REGION": "eu-west-1"}
	for _, m := range more {
		maps.Copy(e, m)
	}
	p := &profile.Provider{LookupEnv: e.lookup, Open: files{"/home/.aws/config": config}.open}
	if srv != nil {
		p.HTTPClient = srv.Client()
	}
	return p
}

// keysOf are the keys of a user as a profile has them.
func keysOf(u ststest.User) string {
	return fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", u.Credentials.AccessKeyID, u.Credentials.SecretAccessKey.Reveal())
}

func TestKeys(t *testing.T) {
	p := at(nil, "[profile p]\naws_access_key_id = AKID\naws_secret_access_key = s3cr3t+/=\naws_session_token = t0k3n\naws_account_id = 123456789012\n")
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, stschain.Credentials{
		AccessKeyID: "AKID", SecretAccessKey: stschain.NewSecret("s3cr3t+/="), SessionToken: stschain.NewSecret("t0k3n"),
		AccountID: "123456789012", Origin: "profile p",
	}, got)
	require.Equal(t, "profile p", p.String())
}

// The credentials file has the keys, the config file the rest, and where both have keys
// the credentials file wins.
func TestBothFiles(t *testing.T) {
	p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: files{
		"/home/.aws/config":      "[default]\naws_access_key_id = OLD\naws_account_id = 123456789012",
		"/home/.aws/credentials": keysAB,
	}.open}
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDA", got.AccessKeyID)
	require.Equal(t, "123456789012", got.AccountID)
}

// Keys of one file never go with the token, or the other half, of those in another.
func TestKeysAreOfOneFile(t *testing.T) {
	disk := files{
		"/home/.aws/config":      keysAB + "aws_session_token = of-older-keys",
		"/home/.aws/credentials": strings.Replace(keysAB, "AKIDA", "AKIDNEW", 1),
	}
	p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: disk.open}
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDNEW", got.AccessKeyID)
	require.True(t, got.SessionToken.IsZero())

	disk["/home/.aws/credentials"] = "[default]\naws_access_key_id = AKIDNEW"
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "/home/.aws/credentials:2: [profile default] aws_access_key_id: aws_secret_access_key is in another file (/home/.aws/config:3)")
}

func TestWhichProfile(t *testing.T) {
	config := "[default]\n[profile a]\n[profile b]\n[profile c]\n"
	for _, name := range []string{"default", "a", "b", "c"} {
		config = strings.Replace(config, name+"]\n", name+"]\naws_access_key_id = OF-"+name+"\naws_secret_access_key = s\n", 1)
	}
	for _, tt := range []struct {
		field string
		env   env
		want  string
	}{
		{"", env{}, "OF-default"},
		{"", env{"AWS_PROFILE": " "}, "OF-default"},
		{"", env{"AWS_DEFAULT_PROFILE": "b"}, "OF-b"},
		{"", env{"AWS_PROFILE": "a", "AWS_DEFAULT_PROFILE": "b"}, "OF-a"},
		{"c", env{"AWS_PROFILE": "a"}, "OF-c"},
	} {
		tt.env["HOME"] = "/home"
		p := &profile.Provider{Profile: tt.field, LookupEnv: tt.env.lookup, Open: files{"/home/.aws/config": config}.open}
		got, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, tt.want, got.AccessKeyID)
	}
}

// Nothing names a profile: a chain goes on.
func TestUnavailable(t *testing.T) {
	for name, tt := range map[string]struct {
		files files
		says  string
	}{
		"no files":               {files{}, "/home/.aws/config (which does not exist) and /home/.aws/credentials (which does not exist)"},
		"no default profile":     {files{"/home/.aws/config": "[profile p]\n" + keysAB[10:]}, "there is no profile default in"},
		"a header that is wrong": {files{"/home/.aws/credentials": "[profile default]\n" + keysAB[10:]}, "/home/.aws/credentials:1 has [profile default], which in this file must be [default]"},
		"two such headers":       {files{"/home/.aws/credentials": "[profile default]\n[profile  default]\n"}, "/home/.aws/credentials:2 has [profile  default]"},
		"nothing but settings":   {files{"/home/.aws/config": "\n[default]\nregion = eu-west-1"}, "the profile default (/home/.aws/config:2) has no credentials"},
		"keys that are empty":    {files{"/home/.aws/credentials": "[default]\naws_access_key_id =\naws_secret_access_key =\n"}, "has no credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: tt.files.open}).Retrieve(t.Context())
			require.True(t, stschain.IsUnavailable(err), "%v", err)
			require.ErrorContains(t, err, tt.says)
		})
	}
}

// What is named and cannot work never falls through, and the error has file, line, section and key.
// Reports: aws-sdk-go#2311.
func TestErrors(t *testing.T) {
	const arn = "role_arn = arn:aws:iam::123456789012:role/r\n"
	const pair = "aws_access_key_id = AKID\naws_secret_access_key = s\n"
	for _, tt := range []struct{ name, config, want string }{
		{"no such profile", "[default]\n" + pair, `AWS_PROFILE names the profile "p", which is not in /home/.aws/config and /home/.aws/credentials (which does not exist)`},
		{"no such profile, but a section", "[p]\n" + pair, "/home/.aws/config:1 has [p], which in this file must be [profile p]"},
		{"half a key pair", "[profile p]\n\naws_access_key_id = AKID", "/home/.aws/config:3: [profile p] aws_access_key_id: aws_secret_access_key is missing"},
		{"the other half", "[profile p]\naws_secret_access_key = s", ":2: [profile p] aws_secret_access_key: aws_access_key_id is missing"},
		{"a token alone", "[profile p]\naws_session_token = t", ":2: [profile p] aws_session_token: the keys of the token are missing"},
		{"keys with a comment that is none", "[profile p]\naws_access_key_id = AKID\naws_secret_access_key = a b", ":3: [profile p] aws_secret_access_key: the value has white space"},
		{"a role alone", "[profile p]\n" + arn, ":2: [profile p] role_arn: the credentials that assume the role are missing"},
		{"a role and keys", "[profile p]\n" + arn + pair, ":2: [profile p] role_arn: the credentials that assume the role are missing"},
		{"two sources", "[profile p]\n" + arn + "source_profile = q\ncredential_source = Environment", ":3: [profile p] source_profile: credential_source is set as well (/home/.aws/config:4)"},
		{"an unknown source", "[profile p]\n" + arn + "credential_source = Ec2Instance", ":3: [profile p] credential_source: the value must be one of Environment, Ec2InstanceMetadata, EcsContainer"},
		{"a source without a role", "[profile p]\nsource_profile = q", ":2: [profile p] source_profile: role_arn is missing"},
		{"no source profile", "[profile p]\n" + arn + "source_profile = q", `:3: [profile p] source_profile: there is no profile "q"`},
		{"itself, without keys", "[profile p]\n" + arn + "source_profile = p", ":3: [profile p] source_profile: the profiles form a cycle: p -> p"},
		{"a circle of three", "[profile p]\n" + arn + "source_profile = a\n[profile a]\n" + arn + "source_profile = b\n[profile b]\n" + arn + "source_profile = p", ":9: [profile b] source_profile: the profiles form a cycle: p -> a -> b -> p"},
		{"a circle further on", "[profile p]\n" + arn + "source_profile = a\n[profile a]\n" + arn + "source_profile = a", ":6: [profile a] source_profile: the profiles form a cycle: a -> a"},
		{"a source without credentials", "[profile p]\n" + arn + "source_profile = q\n[profile q]\nregion = x", ":4: [profile q]: the profile has no credentials"},
		{"a token without a role", "[profile p]\nweb_identity_token_file = /t", ":2: [profile p] web_identity_token_file: role_arn is missing"},
		{"a duration in words", "[profile p]\n" + arn + "duration_seconds = 1h\ncredential_source = Environment", ":3: [profile p] duration_seconds: the value must be a number of seconds"},
		{"MFA without a prompt", "[profile p]\n" + arn + "mfa_serial = m\ncredential_source = Environment", ":3: [profile p] mfa_serial: the role needs the code of an MFA device, and Provider.MFAToken"},
		{"a setting of the role", "[profile p]\n" + arn + "max_attempts = many\ncredential_source = Environment", ":3: [profile p] max_attempts: the value must be a number of attempts"},
		{"no services section", "[profile p]\n" + arn + "services = x\ncredential_source = Environment", ":3: [profile p] services: there is no [services x]"},
		{"IAM Identity Center", "[profile p]\nsso_account_id = 1\nsso_role_name = r\nsso_region = x\nsso_start_url = u", "not signed in"},
		{"a token file that is missing", "[profile p]\n" + arn + "web_identity_token_file = /t", "token file /t: "},
		{"no keys to assume a role with", "[profile p]\n" + arn + "credential_source = Environment", "profile p: assumerole: arn:aws:iam::123456789012:role/r: "},
		{"a long chain", "[profile p]\n" + arn + "source_profile = p0\n" + longChain(40, arn), "the chain of source profiles from p has more than 32 profiles"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := at(ststest.New(), tt.config).Retrieve(t.Context())
			require.ErrorContains(t, err, tt.want)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			require.True(t, strings.HasPrefix(err.Error(), "profile"), err.Error())
		})
	}
}

func longChain(n int, arn string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[profile p%d]\n%ssource_profile = p%d\n", i, arn, i+1)
	}
	return b.String()
}

func TestAssumeRole(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/r", ExternalID: "partner"})
	p := at(srv, "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nexternal_id = partner\n"+
		"role_session_name = nightly\nduration_seconds = 900\n[profile base]\n"+keysOf(srv.User()))
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "assumerole arn:aws:iam::123456789012:role/r", creds.Origin)
	require.Equal(t, "123456789012", creds.AccountID)
	form := srv.Calls()[0].Form
	require.Equal(t, []string{"900", "nightly"}, []string{form.Get("DurationSeconds"), form.Get("RoleSessionName")})
	require.Equal(t, srv.User().ARN, srv.Calls()[0].Caller)
}

// A profile may name itself if it has keys, and keys of a source profile come before its role.
func TestKeysOfSourceProfile(t *testing.T) {
	srv := ststest.NewTest(t)
	arn := "role_arn = arn:aws:iam::123456789012:role/r\n"
	for name, config := range map[string]string{
		"itself":           "[profile p]\n" + arn + "source_profile = p\n" + keysOf(srv.User()),
		"a role with keys": "[profile p]\n" + arn + "source_profile = q\n[profile q]\n" + arn + "source_profile = nowhere\n" + keysOf(srv.User()),
	} {
		t.Run(name, func(t *testing.T) {
			before := srv.Count("")
			_, err := at(srv, config).Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, srv.Count("")-before)
			require.Equal(t, srv.User().ARN, srv.Calls()[before].Caller)
		})
	}
}

const chain = `[profile p]
region = us-west-2
role_arn = arn:aws:iam::333333333333:role/last
source_profile = middle
duration_seconds = 900
[profile middle]
region = eu-central-1
role_arn = arn:aws:iam::222222222222:role/middle
source_profile = first
[profile first]
role_arn = arn:aws:iam::111111111111:role/first
source_profile = base
duration_seconds = 43200
[profile base]
`

// Each role is requested in the region of its profile, or of the one whose source it is, and kept: a refresh of the last one
// costs one call.
// Reports: aws-sdk-go-v2#1718.
func TestChainOfProfiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		p := at(srv, chain+keysOf(srv.User()), env{"AWS_REGION": ""})
		cached := stschain.Cached(p)
		for range 24 * 4 {
			_, err := cached.Retrieve(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			<-time.After(15 * time.Minute)
		}
		calls := map[string]int{}
		for _, c := range srv.Calls() {
			arn := c.Form.Get("RoleArn")
			calls[arn]++
			want := map[string]string{"first": "eu-central-1", "middle": "eu-central-1", "last": "us-west-2"}[arn[strings.LastIndexByte(arn, '/')+1:]]
			require.Equal(t, want, c.Region, arn)
			require.Equal(t, "sts."+want+".amazonaws.com", c.Host)
		}
		require.LessOrEqual(t, calls["arn:aws:iam::111111111111:role/first"], 3)
		require.LessOrEqual(t, calls["arn:aws:iam::222222222222:role/middle"], 34)
		require.GreaterOrEqual(t, calls["arn:aws:iam::333333333333:role/last"], 24*4)
	})
}

// If STS has no region, the error says so; but first, if what would assume the role is not there.
func TestNoRegion(t *testing.T) {
	srv := ststest.NewTest(t)
	config := "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\ncredential_source = Environment\n"
	_, err := at(srv, config, env{"AWS_REGION": ""}).Retrieve(t.Context())
	require.ErrorContains(t, err, "AWS_ACCESS_KEY_ID is not set")
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	keys := env{"AWS_REGION": "", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}
	_, err = at(srv, config, keys).Retrieve(t.Context())
	require.ErrorContains(t, err, "[profile p] has the role arn:aws:iam::123456789012:role/r, and no region is configured to call STS in: set region in the profile, or AWS_REGION")
	require.ErrorIs(t, err, stschain.ErrPermanent)

	_, err = at(srv, strings.Replace(config, "credential_source = Environment", "web_identity_token_file = /t", 1), env{"AWS_REGION": ""}).Retrieve(t.Context())
	require.ErrorContains(t, err, "set region in the profile, or AWS_REGION")
}

// Reports: aws-sdk-go#842.
func TestMFA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		device := srv.AddTOTP("alice")
		requests := 0
		content := "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/last\nsource_profile = mfa\nduration_seconds = 900\n[profile mfa]\n" +
			"role_arn = arn:aws:iam::123456789012:role/mfa\nmfa_serial = " + device.Serial + "\nsource_profile = base\nduration_seconds = 43200\n[profile base]\n" + keysOf(srv.User())
		p := at(srv, "")
		p.MFAToken = func(ctx context.Context, serial string) (stschain.Secret, error) {
			requests++
			return device.MFAToken(ctx, serial)
		}
		disk := files{"/home/.aws/config": content}
		p.Open = disk.open
		cached := stschain.Cached(p)
		for i := range 8 {
			_, err := cached.Retrieve(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			<-time.After(time.Hour)
			// What has nothing to do with the role costs no code; nor does a change of the role after it.
			disk["/home/.aws/config"] = strings.Repeat("# changed\n", i) + strings.Replace(content, "= 900", fmt.Sprint("= ", 900+i), 1) + "\n[profile other]\nregion = x\n"
		}
		require.Equal(t, 1, requests)
		require.Equal(t, 1+8, srv.Count("AssumeRole"))
	})
}

// Reports: aws-sdk-go-v2#670.
func TestWebIdentity(t *testing.T) {
	srv := ststest.NewTest(t)
	config := "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nweb_identity_token_file = /run/token\nrole_session_name = nightly\nduration_seconds = 1800\n"
	p := at(srv, config)
	p.Open = files{"/home/.aws/config": config, "/run/token": srv.Issuer().Token(nil).Reveal() + "\n"}.open
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "webidentity arn:aws:iam::123456789012:role/r", creds.Origin)
	require.Equal(t, "1800", srv.Calls()[0].Form.Get("DurationSeconds"))

	p = at(srv, config)
	p.Open = files{"/home/.aws/config": config, "/run/token": strings.Repeat("x", 50_000)}.open
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "token file /run/token: exceeds 40000 bytes")
}

func TestCredentialProcess(t *testing.T) {
	p := at(nil, "[profile p]\ncredential_process = keys --for \"p q\"\naws_account_id = 123456789012")
	p.Run = func(_ context.Context, command string) ([]byte, error) {
		if command != `keys --for "p q"` {
			t.Errorf("command is %q", command)
		}
		return []byte(`{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "s"}`), nil
	}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKID", creds.AccessKeyID)
	require.Equal(t, "123456789012", creds.AccountID)

	p = at(nil, "[profile p]\ncredential_process = false")
	p.Run = func(context.Context, string) ([]byte, error) { return nil, errors.New("exit status 1") }
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "exit status 1")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}

// A role over each of the sources that credential_source knows.
func TestCredentialSources(t *testing.T) {
	srv := ststest.NewTest(t)
	user := srv.User()
	id, secret := user.Credentials.AccessKeyID, user.Credentials.SecretAccessKey.Reveal()
	keys := fmt.Sprintf(`{"Code": "Success", "AccessKeyId": %q, "SecretAccessKey": %q, "Token": "", "Expiration": %q}`, id, secret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			fmt.Fprint(w, "token")
		case "/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "instance")
		default:
			fmt.Fprint(w, keys)
		}
	}))
	defer machine.Close()
	for source, tt := range map[string]struct {
		env    env
		config string
	}{
		"Environment":         {env{"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret}, ""},
		"EcsContainer":        {env{"AWS_CONTAINER_CREDENTIALS_FULL_URI": machine.URL + "/keys"}, ""},
		"Ec2InstanceMetadata": {env{}, "ec2_metadata_service_endpoint = " + machine.URL + "\n"},
	} {
		t.Run(source, func(t *testing.T) {
			p := at(srv, "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\n"+tt.config+"credential_source = "+source, tt.env)
			p.HTTPClient = &http.Client{Transport: split{srv.Client().Transport}}
			_, err := p.Retrieve(t.Context())
			require.NoError(t, err)
		})
	}
}

// split sends what is for this machine there, and all else to STS.
type split struct{ sts http.RoundTripper }

func (s split) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() == "127.0.0.1" {
		return http.DefaultTransport.RoundTrip(r)
	}
	return s.sts.RoundTrip(r)
}

// A source that fails is a failure, with what it said.
func TestFailedSTS(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.FailAll(ststest.Throttle())
	p := at(srv, "[profile p]\nmax_attempts = 1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = p\n"+keysOf(srv.User()))
	_, err := stschain.NewChain(p, stschain.Static("node", "role", "")).Retrieve(t.Context())
	require.ErrorContains(t, err, "Throttling")
	require.Equal(t, 1, srv.Count(""))
}

// Reports see what a profile came down to.
func TestProviders(t *testing.T) {
	srv := ststest.NewTest(t)
	p := at(srv, chain+keysOf(srv.User()))
	require.Empty(t, p.Providers())
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	var names []string
	for next := p.Providers(); len(next) > 0; {
		parent, ok := next[0].(stschain.Parent)
		if _, isCache := next[0].(*stschain.Cache); !isCache {
			names = append(names, fmt.Sprint(next[0]))
		}
		if !ok {
			break
		}
		next = parent.Providers()
	}
	require.Equal(t, []string{
		"assumerole arn:aws:iam::333333333333:role/last", "assumerole arn:aws:iam::222222222222:role/middle",
		"assumerole arn:aws:iam::111111111111:role/first", "profile base",
	}, names)
}

func TestConcurrentUse(t *testing.T) {
	srv := ststest.NewTest(t)
	p := at(srv, chain+keysOf(srv.User()))
	done := make(chan error)
	for range 8 {
		go func() {
			_, err := p.Retrieve(t.Context())
			done <- err
		}()
	}
	for range 8 {
		require.NoError(t, <-done)
	}
	require.Equal(t, 8+2, srv.Count("AssumeRole"), "the inner roles are shared")
}
