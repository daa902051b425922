package source_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

// An explanation of the default chain lists every place, and what a profile leads to.
func TestExplain(t *testing.T) {
	const hop = "arn:aws:iam::123456789012:role/hop"
	chain := "[default]\nregion = eu-west-1\nrole_arn = " + roleARN + "\nsource_profile = hop\n" +
		"[profile hop]\nrole_arn = " + hop + "\ncredential_source = %s\n"
	config := func(source string) map[string]string {
		return map[string]string{"/home/.aws/config": strings.Replace(chain, "%s", source, 1)}
	}
	for name, tt := range map[string]struct {
		env   map[string]string
		files map[string]string
		want  []string
		calls int // of AssumeRole
	}{
		"keys": {env: keysInEnv, want: []string{
			"succeeded default chain", "succeeded env", "not called webidentity from the environment", "not called profile default", "not called container", "not called imds"}},
		"roles on the task's": {env: ecs, files: config("EcsContainer"), calls: 2, want: []string{
			"succeeded default chain", "not configured env", "not configured webidentity from the environment", "succeeded profile default", "succeeded assumerole " + roleARN, "succeeded assumerole " + hop, "succeeded container",
			"not called container has credentials too (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)", "not called imds"}},
		"roles on nothing": {files: config("Environment"), want: []string{
			"failed default chain", "not configured env", "not configured webidentity from the environment", "failed profile default", "failed assumerole " + roleARN, "failed assumerole " + hop, "not configured env",
			"not called container", "not called imds"}},
		"the instance": {want: []string{
			"succeeded default chain", "not configured env", "not configured webidentity from the environment", "not configured profile default", "not configured container", "succeeded imds"}},
		"a broken file": {files: map[string]string{"/home/.aws/config": "{}"}, want: []string{
			"failed default chain", "not configured env", "not configured webidentity from the environment", "failed profile default", "not called container", "not called imds"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &machine{sts: ststest.New()}
				m.sts.AddKeys("arn:aws:sts::123456789012:assumed-role/task/1", stschain.Credentials{
					AccessKeyID: "ASIATASK", SecretAccessKey: stschain.NewSecret(canarySecret), SessionToken: stschain.NewSecret("canary/token/4711"), Expires: time.Now().Add(time.Hour)})
				d := world{env: with(tt.env), files: tt.files, transport: m}.chain(t)
				x := stschain.Explain(t.Context(), d)
				require.Equal(t, tt.want, lines(x), "%v", x)
				require.Equal(t, tt.calls, m.sts.Count("AssumeRole"))
				canary.Check(t, canarySecret, x)

				// What it found is what a call gets, and what another explanation finds.
				creds, err := d.Retrieve(t.Context())
				require.Equal(t, x.Outcome == stschain.Succeeded, err == nil)
				if err == nil {
					require.Equal(t, x.Origin, creds.Origin)
				}
				m.sts.Close()
			})
		})
	}
}

// lines are the outcomes and names of an explanation, in order.
func lines(x stschain.Explanation) []string {
	all := []string{x.Outcome.String() + " " + x.Provider}
	for _, b := range x.Below {
		all = append(all, lines(b)...)
	}
	return all
}

// A program that works learns from its trace and from the events of its cache that another place has credentials.
func TestTwoPlacesAreConfigured(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"":            {},
		"default has": {"/home/.aws/credentials": keysInProfile},
	} {
		d := world{env: with(keysInEnv), files: files, transport: &machine{}}.chain(t)
		events, steps := make(chan stschain.Event, 2), map[string]string{}
		cache := &stschain.Cache{Provider: d, OnEvent: func(e stschain.Event) { events <- e }}
		_, err := cache.Retrieve(stschain.WithTrace(t.Context(), &stschain.Trace{
			End: func(_ context.Context, s stschain.Step) { steps[s.Name] += s.Note },
		}))
		require.NoError(t, err)
		require.Equal(t, stschain.RefreshStarted, (<-events).Kind)
		note := (<-events).Note
		if name == "" {
			require.Empty(t, note)
		} else {
			require.Regexp(t, `^profile default has credentials too \(aws_access_key_id, /home/.aws/credentials:\d+\)$`, note)
		}
		require.Equal(t, note, steps["default chain"])
	}
}

// Explain does not prompt for the MFA code of a profile.
func TestExplainDoesNotPrompt(t *testing.T) {
	m := &machine{sts: ststest.NewTest(t)}
	d := world{
		env: with(),
		files: map[string]string{"/home/.aws/config": "[default]\nregion = eu-west-1\nrole_arn = " + roleARN + "\nmfa_serial = arn:aws:iam::123456789012:mfa/alice\nsource_profile = base\n" +
			"[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = " + canarySecret + "\n"},
		transport: m,
	}.chain(t)
	d.MFAToken = func(context.Context, string) (stschain.Secret, error) {
		t.Error("it prompts")
		return stschain.Secret{}, nil
	}
	for _, p := range []stschain.Provider{d, stschain.Cached(d)} {
		x := stschain.Explain(t.Context(), p)
		require.Equal(t, []string{
			"needs prompt default chain", "not configured env", "not configured webidentity from the environment", "needs prompt profile default", "needs prompt assumerole " + roleARN, "succeeded profile base",
			"not called container", "not called imds"}, lines(x))
		canary.Check(t, canarySecret, x)
	}
	require.Empty(t, m.hosts())
}
