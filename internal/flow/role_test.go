package flow_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/flow"
)

func TestCheckSession(t *testing.T) {
	for _, test := range []struct {
		role, session string
		same          bool
	}{
		{"arn:aws:iam::123456789012:role/r", "arn:aws:sts::123456789012:assumed-role/r/s", true},
		{"arn:aws:iam::123456789012:role/a/b/r", "arn:aws:sts::123456789012:assumed-role/r/s", true},
		{"arn:aws:iam::123456789012:role/R", "arn:aws:sts::123456789012:assumed-role/r/s", true},
		{"arn:aws-cn:iam::123456789012:role/r", "arn:aws-cn:sts::123456789012:assumed-role/r/s", true},
		{"arn:aws:iam::123456789012:role/r", "arn:aws:sts::123456789012:assumed-role/rr/s", false},
		{"arn:aws:iam::123456789012:role/r/x", "arn:aws:sts::123456789012:assumed-role/r/x", false},
		{"arn:aws:iam::123456789012:role/r", "arn:aws:sts::210987654321:assumed-role/r/s", false},
		{"arn:aws:iam::123456789012:role/r", "arn:aws:iam::210987654321:user/u", false},
		// Ceph's radosgw has the path in the session too (docs/defects.md, A13).
		{"arn:aws:iam:::role/org/unit/Deploy", "arn:aws:sts:::assumed-role/org/unit/Deploy/ci", true},
		{"arn:aws:iam:::role/org/unit/Deploy", "arn:aws:sts:::assumed-role/ORG/unit/deploy/ci", true},
		{"arn:aws:iam:::role/org/unit/Deploy", "arn:aws:sts:::assumed-role/Deploy/ci", true},
		{"arn:aws:iam:::role/org/unit/Deploy", "arn:aws:sts:::assumed-role/other/unit/Deploy/ci", false},
		{"arn:aws:iam:::role/org/unit/Deploy", "arn:aws:sts:::assumed-role/unit/Deploy/ci", false},
		{"arn:aws:iam:::role/org", "arn:aws:sts:::assumed-role/org/unit/Deploy/ci", false},
		{"arn:aws:iam:::role/org", "arn:aws:sts:::assumed-role/org", true},
		// Others have ARNs of their own.
		{"arn:aws:iam::123456789012:role/r", "", true},
		{"", "arn:aws:sts::123456789012:assumed-role/r/s", true},
		{"arn:minio:iam:::role/x", "arn:minio:sts:::assumed-role/y", true},
		{"arn:aws:iam:::role/r", "arn:aws:sts::123456789012:assumed-role/r/s", true},
		{"arn:aws:iam:::role/r", "arn:aws:sts::123456789012:assumed-role/q/s", false},
		{"urn:ecs:iam::s3:role/r", "urn:ecs:sts::s3:assumed-role/q/s", true},
		{"arn:aws:iam::123456789012:role/r", "arn:aws:sts::123456789012:user/u", true},
		{"anything", "anything else", true},
	} {
		err := flow.CheckSession(test.role, test.session)
		require.Equal(t, test.same, err == nil, "%v", test)
	}
}

func TestAccountID(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:sts::123456789012:assumed-role/r/s": "123456789012", "arn:aws-us-gov:iam::000000000001:role/r": "000000000001",
		"": "", "arn:aws:iam:::role/r": "", "arn:aws:iam::12345678901a:role/r": "", "arn:minio:iam::123456789012:role/r": "", "arn:awsome:iam::123456789012:role/r": "",
	} {
		require.Equal(t, want, flow.AccountID(arn), arn)
	}
	require.Equal(t, "123456789012", flow.AccountID("", "arn:minio:sts:::x", "arn:aws:iam::123456789012:role/r"), "the first that has one")
}

func TestSessionName(t *testing.T) {
	pattern := regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	for _, test := range []struct{ program, host, want string }{
		{"/usr/bin/backup", "web-1", "backup@web-1"},
		{`C:\Program Files\My Tool.exe`, "PC", "My-Tool@PC"},
		{"backup", "web-1.eu-west-1.compute.internal", "backup@web-1"},
		{"", "", "stschain@localhost"},
		{"/", "h", "stschain@h"},
		{"größe", "höst", "gr--e@h-st"},
		{"a@b", "h", "a-b@h"},
		{strings.Repeat("p", 100), strings.Repeat("h", 100), strings.Repeat("p", 31) + "@" + strings.Repeat("h", 32)},
		{"x\x00\n", "y z", "x--@y-z"},
	} {
		got := flow.MakeSessionName(test.program, test.host)
		require.Equal(t, test.want, got)
		require.Regexp(t, pattern, got)
	}
	require.Regexp(t, `^flow\.test@[\w+=,.-]+$`, flow.SessionName(""))
	require.Equal(t, "nightly", flow.SessionName("nightly"))
}
