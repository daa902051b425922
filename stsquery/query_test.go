package stsquery_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

func TestForm(t *testing.T) {
	for _, test := range []struct {
		in   stsquery.Input
		want string
	}{
		{stsquery.GetCallerIdentityInput{}, "Action=GetCallerIdentity&Version=2011-06-15"},
		{stsquery.GetSessionTokenInput{}, "Action=GetSessionToken&Version=2011-06-15"},
		{stsquery.AssumeRoleInput{}, "Action=AssumeRole&Version=2011-06-15"},
		{stsquery.GetSessionTokenInput{Duration: time.Hour, SerialNumber: "arn:aws:iam::1:mfa/x", TokenCode: stschain.NewSecret("123456")},
			"Action=GetSessionToken&Version=2011-06-15&DurationSeconds=3600&SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fx&TokenCode=123456"},
		// A space is %20 and an empty value of a tag is sent.
		{stsquery.AssumeRoleInput{Tags: []stsquery.Tag{{Key: "Cost Center", Value: ""}, {Key: "ü", Value: "a+b&c=d"}}},
			"Action=AssumeRole&Version=2011-06-15&Tags.member.1.Key=Cost%20Center&Tags.member.1.Value=&Tags.member.2.Key=%C3%BC&Tags.member.2.Value=a%2Bb%26c%3Dd"},
		{stsquery.AssumeRoleInput{PolicyARNs: []string{"a", "b"}, TransitiveTagKeys: []string{"k"}},
			"Action=AssumeRole&Version=2011-06-15&PolicyArns.member.1.arn=a&PolicyArns.member.2.arn=b&TransitiveTagKeys.member.1=k"},
	} {
		require.Equal(t, test.want, stsquery.Form(test.in))
	}
}

// FuzzQuery: net/url decodes a form to the values, and it has only characters of RFC 3986.
func FuzzQuery(f *testing.F) {
	f.Add("arn:aws:iam::1:role/x", "a b+c", "{\"k\":\"v\"}\n", "ü\x00\xff&=%")
	f.Fuzz(func(t *testing.T, role, value, policy, code string) {
		form := stsquery.Form(stsquery.AssumeRoleInput{
			RoleARN:   role,
			Policy:    policy,
			Tags:      []stsquery.Tag{{Key: "k", Value: value}},
			TokenCode: stschain.NewSecret(code),
		})
		got, err := url.ParseQuery(form)
		if err != nil {
			t.Fatalf("%q: %v", form, err)
		}
		want := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "Tags.member.1.Key": {"k"}, "Tags.member.1.Value": {value}}
		for name, v := range map[string]string{"RoleArn": role, "Policy": policy, "TokenCode": code} {
			if v != "" {
				want[name] = []string{v}
			}
		}
		require.Equal(t, want, got)
		if i := strings.IndexFunc(form, func(r rune) bool {
			return r > '~' || !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%=&", r)
		}); i >= 0 {
			t.Fatalf("%q has %q", form, form[i])
		}
	})
}
