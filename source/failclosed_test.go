package source_test

import (
	"errors"
	"io/fs"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

// A place that is set up and fails is the end, though the instance has a role that would
// response.
// Reports: datafusion-comet#6025, aws-sdk-go#5138, datafusion-comet#6024.
func TestFailsClosed(t *testing.T) {
	aws := func(file string) map[string]string { return map[string]string{"/home/.aws/config": file} }
	process := aws("[default]\ncredential_process = keys\n")
	role := aws("[default]\nrole_arn = " + roleARN + "\nsource_profile = base\nregion = eu-west-1\n[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = x\n")
	token := map[string]string{"/token": "token"}
	throttled := []ststest.Fault{ststest.Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded")}
	denied := []ststest.Fault{ststest.Refuse(http.StatusForbidden, "AccessDenied", "not you")}
	for name, test := range map[string]struct {
		env      map[string]string
		files    map[string]string
		refused  map[string]error
		faults   []ststest.Fault
		agent    http.HandlerFunc
		metadata http.HandlerFunc
		want     []string // in the error
		requests []string // hosts
	}{
		"environment: half the keys": {env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA"}, want: []string{"AWS_SECRET_ACCESS_KEY is not set"}},

		"environment: expired": {
			env:  with(keysInEnv, map[string]string{"AWS_CREDENTIAL_EXPIRATION": "1999-01-01T00:00:00Z"}),
			want: []string{"AWS_CREDENTIAL_EXPIRATION", "in the past"},
		},

		"profile: named and missing":      {env: map[string]string{"AWS_PROFILE": "prod"}, want: []string{"AWS_PROFILE", `"prod"`, "/home/.aws/config"}},
		"profile: file named and missing": {env: map[string]string{"AWS_CONFIG_FILE": "/etc/aws"}, want: []string{"/etc/aws"}},
		"profile: config unreadable, keys in credentials": {
			files:   map[string]string{"/home/.aws/credentials": keysInProfile},
			refused: map[string]error{"/home/.aws/config": fs.ErrPermission}, want: []string{"/home/.aws/config", "permission denied", "aws_access_key_id in /home/.aws/credentials"},
		},
		"profile: config unreadable, and a profile named": {env: map[string]string{"AWS_PROFILE": "prod"}, refused: map[string]error{"/home/.aws/config": fs.ErrPermission}, want: []string{"/home/.aws/config", "AWS_PROFILE"}},
		"profile: config named and unreadable": {
			env: map[string]string{"AWS_CONFIG_FILE": "/etc/aws"}, files: map[string]string{"/home/.aws/credentials": keysInProfile},
			refused: map[string]error{"/etc/aws": fs.ErrPermission}, want: []string{"/etc/aws (AWS_CONFIG_FILE)", "permission denied"},
		},
		"profile: credentials fail":     {refused: map[string]error{"/home/.aws/credentials": errors.New("input/output error")}, want: []string{"/home/.aws/credentials", "input/output error"}},
		"profile: out of descriptors":   {env: ecs, refused: map[string]error{"/home/.aws/config": syscall.EMFILE}, want: []string{"/home/.aws/config", "too many open files"}},
		"profile: a link to itself":     {refused: map[string]error{"/home/.aws/config": syscall.ELOOP}, want: []string{"/home/.aws/config"}},
		"profile: no INI file":          {files: aws("{}"), want: []string{"/home/.aws/config:1"}},
		"profile: half the keys":        {files: aws("[default]\naws_access_key_id = AKIA\n"), want: []string{"/home/.aws/config", "aws_secret_access_key"}},
		"profile: process exits with 1": {files: process, want: []string{"keys", "exit status 1"}},
		"profile: role of no source":    {files: aws("[default]\nrole_arn = " + roleARN), want: []string{"role_arn", "source_profile"}},
		"profile: STS throttles":        {files: role, faults: throttled, want: []string{roleARN, "Throttling"}, requests: []string{"sts.eu-west-1.amazonaws.com"}},
		"profile: STS denies":           {files: role, faults: denied, want: []string{roleARN, "AccessDenied"}, requests: []string{"sts.eu-west-1.amazonaws.com"}},
		"profile: its instance has no role": {
			files:    aws("[default]\nrole_arn = " + roleARN + "\ncredential_source = Ec2InstanceMetadata\nregion = eu-west-1\n"),
			metadata: roleless, want: []string{roleARN, "no role"}, requests: []string{imdsHost},
		},
		"profile: its environment is empty": {
			files: aws("[default]\nrole_arn = " + roleARN + "\ncredential_source = Environment\nregion = eu-west-1\n"),
			want:  []string{roleARN, "AWS_ACCESS_KEY_ID is not set"},
		},
		"profile: a setting is wrong": {env: map[string]string{"AWS_RETRY_MODE": "often"}, want: []string{"AWS_RETRY_MODE", "standard"}},

		"web identity: no token file":   {env: webIdentity, want: []string{"/token"}},
		"web identity: file unreadable": {env: webIdentity, refused: map[string]error{"/token": fs.ErrPermission}, want: []string{"/token", "permission denied"}},
		"web identity: no role":         {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, files: token, want: []string{"AWS_ROLE_ARN is not set"}},
		"web identity: no region":       {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": roleARN}, files: token, want: []string{"AWS_REGION"}},
		"web identity: STS throttles":   {env: webIdentity, files: token, faults: throttled, want: []string{roleARN, "Throttling"}, requests: []string{"sts.eu-west-1.amazonaws.com"}},
		"web identity: STS denies":      {env: webIdentity, files: token, faults: denied, want: []string{roleARN, "AccessDenied"}, requests: []string{"sts.eu-west-1.amazonaws.com"}},

		"container: agent fails":    {env: ecs, agent: status(500, "oops"), want: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "500"}, requests: []string{ecsHost}},
		"container: agent denies":   {env: ecs, agent: status(403, ""), want: []string{"403"}, requests: []string{ecsHost}},
		"container: agent missing":  {env: ecs, agent: status(404, ""), want: []string{"404"}, requests: []string{ecsHost}},
		"container: agent is down":  {env: ecs, agent: unreachable, want: []string{"connection refused"}, requests: []string{ecsHost}},
		"container: HTML":           {env: ecs, agent: status(200, "<html>"), want: []string{"JSON"}, requests: []string{ecsHost}},
		"container: a private host": {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/"}, want: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "10.0.0.1"}},
		"container: no token file": {
			env:  map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://" + eksHost + "/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token"},
			want: []string{"/token"},
		},
		"container: no credentials in files": {
			env:     map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://" + eksHost + "/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token"},
			refused: map[string]error{"/token": stschain.Unavailable("not configured")}, want: []string{"/token"},
		},

		"instance: fails":               {metadata: status(500, ""), want: []string{imdsHost, "500"}, requests: []string{imdsHost}},
		"instance: denies":              {metadata: status(403, ""), want: []string{imdsHost, "403"}, requests: []string{imdsHost}},
		"instance: HTML":                {metadata: status(200, "<html> </html>"), want: []string{imdsHost}, requests: []string{imdsHost}},
		"instance: disabled, or not":    {env: map[string]string{"AWS_EC2_METADATA_DISABLED": "perhaps"}, want: []string{"AWS_EC2_METADATA_DISABLED"}},
		"instance: not at its endpoint": {env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.9"}, want: []string{"127.0.0.9"}, requests: []string{"127.0.0.9"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for the waits between attempts
				m := &machine{sts: ststest.New(), agent: test.agent, metadata: test.metadata}
				m.sts.FailAll(test.faults...)
				w := world{env: with(test.env), files: test.files, refused: test.refused, transport: m}
				d := w.chain(t)
				_, err := d.Retrieve(t.Context())
				require.Error(t, err)
				require.False(t, stschain.IsUnavailable(err), "a chain around this one must not go on either")
				for _, want := range test.want {
					require.ErrorContains(t, err, want)
				}
				require.Equal(t, test.requests, m.hosts())
				canary.Check(t, canarySecret, err, d)
				canary.Check(t, "credentials/canary", err)
				m.sts.Close()
			})
		})
	}
}

// What is not set up is passed over, up to the instance.
func TestPassesOver(t *testing.T) {
	for name, test := range map[string]struct {
		env     map[string]string
		files   map[string]string
		refused map[string]error
	}{
		"nothing is there": {},
		// docs/defects.md, A1: another user's home, a directory that docker made.
		"files of another user":   {refused: map[string]error{"/home/.aws/config": syscall.EACCES, "/home/.aws/credentials": syscall.EACCES}},
		"files that are kept out": {refused: map[string]error{"/home/.aws/credentials": syscall.EPERM}},
		"a directory":             {files: map[string]string{"/home/.aws/config/x": ""}},
		"a home that is a file":   {refused: map[string]error{"/home/.aws/config": syscall.ENOTDIR, "/home/.aws/credentials": syscall.ENOTDIR}},
		// See docs/defects.md, A3.
		"a named profile of settings": {env: map[string]string{"AWS_PROFILE": "prod"}, files: map[string]string{"/home/.aws/config": "[profile prod]\nregion = eu-west-1\noutput = json\n"}},
		// See docs/defects.md, A10.
		"a broken section of others": {files: map[string]string{"/home/.aws/config": "[profile prod] old\nrole_arn: x\n[default]\nregion = eu-west-1\n"}},
		"blank variables": {env: map[string]string{
			"AWS_ACCESS_KEY_ID": " ", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "\t", "AWS_PROFILE": " ", "AWS_CONFIG_FILE": "",
			"AWS_WEB_IDENTITY_TOKEN_FILE": " ", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": " ",
			"AWS_EC2_METADATA_DISABLED": " ", "AWS_RETRY_MODE": " ", "AWS_MAX_ATTEMPTS": "",
		}},
		"variables left over":            {env: map[string]string{"AWS_SESSION_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "y"}}, // A4
		"a role without a token":         {env: map[string]string{"AWS_ROLE_ARN": roleARN, "AWS_ROLE_SESSION_NAME": "x"}},
		"a token without an agent":       {env: map[string]string{"AWS_CONTAINER_AUTHORIZATION_TOKEN": "x"}},
		"settings alone":                 {env: map[string]string{"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "https://sts.example"}},
		"empty files":                    {files: map[string]string{"/home/.aws/config": "", "/home/.aws/credentials": "\n# nothing\n"}},
		"a profile that is not selected": {files: map[string]string{"/home/.aws/config": "[profile prod]\naws_access_key_id = AKIA\n"}},
		"a profile without credentials":  {files: map[string]string{"/home/.aws/config": "[default]\nregion = eu-west-1\n"}},
		"no home":                        {env: map[string]string{"HOME": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{}
			creds, err := world{env: with(test.env), files: test.files, refused: test.refused, transport: m}.chain(t).Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, "ASIAINSTANCE", creds.AccessKeyID)
			require.Equal(t, []string{imdsHost}, m.hosts())
		})
	}
}
