package ststest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// tags returns Tags and, for keys with a + in front, TransitiveTagKeys.
func tags(pairs ...string) []string {
	var out []string
	transitive := 0
	for i := 0; i < len(pairs); i += 2 {
		key, is := strings.CutPrefix(pairs[i], "+")
		at := fmt.Sprintf("Tags.member.%d.", i/2+1)
		out = append(out, at+"Key", key, at+"Value", pairs[i+1])
		if is {
			transitive++
			out = append(out, fmt.Sprintf("TransitiveTagKeys.member.%d", transitive), strings.ToUpper(key))
		}
	}
	return out
}

func TestSessionTags(t *testing.T) {
	srv := ststest.NewTest(t)
	hop := func(c stschain.Credentials, pairs ...string) stschain.Credentials {
		t.Helper()
		got := assume(t, srv, c, pairs...)
		require.Equal(t, 200, got.status, got.body)
		return got.credentials()
	}
	of := func(c stschain.Credentials) (map[string]string, []string) {
		caller, ok := srv.Caller(c.AccessKeyID)
		require.True(t, ok)
		return caller.Tags, caller.TransitiveTagKeys
	}
	refused := func(c stschain.Credentials, code, message string, pairs ...string) {
		t.Helper()
		got := assume(t, srv, c, pairs...)
		require.Equal(t, code, got.code(), got.body)
		require.Contains(t, got.Error.Message, message)
	}

	first := hop(srv.User().Credentials, tags("+Team", "blue", "Cost", "")...)
	all, transitive := of(first)
	require.Equal(t, map[string]string{"Team": "blue", "Cost": ""}, all)
	require.Equal(t, []string{"Team"}, transitive)

	second := hop(first, tags("+Env", "test", "Cost", "2")...)
	all, transitive = of(second)
	require.Equal(t, map[string]string{"Team": "blue", "Env": "test", "Cost": "2"}, all)
	require.Equal(t, []string{"Env", "Team"}, transitive)

	third := hop(second)
	all, _ = of(third)
	require.Equal(t, map[string]string{"Team": "blue", "Env": "test"}, all, "only transitive tags are inherited")

	refused(second, "InvalidParameterValue", "conflicts with a transitive tag key", tags("TEAM", "red")...)
	refused(second, "InvalidParameterValue", "conflicts with a transitive tag key", "TransitiveTagKeys.member.1", "team")
	refused(first, "InvalidParameterValue", "Duplicate tag keys found", tags("a", "1", "A", "2")...)
	refused(first, "ValidationError", "must be included in the requested tags", "TransitiveTagKeys.member.1", "other")
	refused(first, "ValidationError", "reserved", tags("AWS:x", "1")...)
	all, transitive = of(srv.User().Credentials)
	require.Empty(t, all)
	require.Empty(t, transitive)
}

func TestTagLimits(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("ValidationError")
	many := func(n int) []string {
		var pairs []string
		for i := range n {
			pairs = append(pairs, fmt.Sprintf("k%d", i), "v")
		}
		return tags(pairs...)
	}
	tests := []struct {
		name    string
		pairs   []string
		message string // "": accepted
	}{
		{"50 tags", many(50), ""},
		{"51 tags", many(51), "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"longest", tags(strings.Repeat("k", 128), strings.Repeat("ü", 256)), ""},
		{"long key", tags(strings.Repeat("k", 129), ""), "length less than or equal to 128"},
		{"empty key", tags("", ""), "length greater than or equal to 1"},
		{"long value", tags("k", strings.Repeat("v", 257)), "length less than or equal to 256"},
		{"characters", tags("k", "a|b"), "regular expression"},
		{"no value", []string{"Tags.member.1.Key", "k"}, "Member must not be null"},
		{"no key", []string{"Tags.member.1.Value", "v"}, "Member must not be null"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := assume(t, srv, srv.User().Credentials, test.pairs...)
			if test.message == "" {
				require.Equal(t, 200, got.status, got.body)
				return
			}
			require.Equal(t, "ValidationError", got.code(), got.body)
			require.Contains(t, got.Error.Message, test.message)
		})
	}
}

func TestSourceIdentityStays(t *testing.T) {
	srv := ststest.NewTest(t)
	first := assume(t, srv, srv.User().Credentials, "SourceIdentity", "alice")
	require.Equal(t, "alice", first.value("SourceIdentity"))
	second := assume(t, srv, first.credentials())
	require.Equal(t, "alice", second.value("SourceIdentity"))
	require.Equal(t, 200, assume(t, srv, second.credentials(), "SourceIdentity", "alice").status)
	got := assume(t, srv, second.credentials(), "SourceIdentity", "mallory")
	require.Equal(t, 403, got.status)
	require.Contains(t, got.Error.Message, "sts:SetSourceIdentity")
	caller, _ := srv.Caller(second.credentials().AccessKeyID)
	require.Equal(t, "alice", caller.SourceIdentity)
}

func TestSessionTokenSize(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("ValidationError")
	user := srv.User().Credentials
	size := func(pairs ...string) (string, string, string) {
		got := assume(t, srv, user, pairs...)
		require.Len(t, got.value("SessionToken"), atoi(t, got.value("SessionTokenSize")), got.body)
		return got.value("SessionTokenSize"), got.value("SessionTokenUtilization"), got.value("PackedPolicySize")
	}
	check := func(wantSize, wantUtilization, wantPacked string, pairs ...string) {
		t.Helper()
		s, u, p := size(pairs...)
		require.Equal(t, []string{wantSize, wantUtilization, wantPacked}, []string{s, u, p})
	}
	check("328", "9", "")
	check("328", "9", "", "MinimumSessionTokenSize", "0")
	check("328", "9", "", "MinimumSessionTokenSize", "328")
	check("332", "9", "", "MinimumSessionTokenSize", "329")
	check("4096", "100", "", "MinimumSessionTokenSize", "4096")
	policy := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	check("1328", "33", "27", "Policy", policy(2000))
	check("4096", "100", "100", "Policy", policy(7536))
	got := assume(t, srv, user, "Policy", policy(7537))
	require.Equal(t, 400, got.status)
	require.Equal(t, "PackedPolicyTooLarge", got.code())
	require.Contains(t, got.Error.Message, "101%")
	require.Equal(t, "ValidationError", assume(t, srv, user, "MinimumSessionTokenSize", "4097").code())
	require.Equal(t, 200, whoAmI(t, srv, assume(t, srv, user, "MinimumSessionTokenSize", "4096").credentials()).status)
}
