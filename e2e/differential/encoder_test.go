package differential_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// sink keeps the form that a client sends, and refuses.
type sink struct {
	form        url.Values
	contentType string
}

func (s *sink) RoundTrip(r *http.Request) (*http.Response, error) { return s.Do(r) }

func (s *sink) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.contentType = r.Header.Get("Content-Type")
	if s.form, err = url.ParseQuery(string(body)); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 400, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// calls are what both do with one drawn input.
type calls struct {
	ours   func(context.Context, *stsquery.Client) error
	theirs func(context.Context, *sts.Client) error
}

func pair[I1, O1, I2, O2 any](ours func(*stsquery.Client, context.Context, I1) (O1, error), in I1, theirs func(*sts.Client, context.Context, I2, ...func(*sts.Options)) (O2, error), theirIn I2) calls {
	return calls{
		func(ctx context.Context, c *stsquery.Client) error { _, err := ours(c, ctx, in); return err },
		func(ctx context.Context, c *sts.Client) error { _, err := theirs(c, ctx, theirIn); return err },
	}
}

// some is an optional text, and needed one that is there.
func (r random) some(most int) string {
	if r.chance(40) {
		return ""
	}
	return r.text(most)
}

func (r random) needed(most int) string { return r.word(1, 3) + r.text(most) }

// duration and number are optional too.
func (r random) duration() time.Duration {
	return oneOf(r, 0, time.Duration(1+r.IntN(200000))*time.Second)
}

func (r random) number() int { return oneOf(r, 0, 1+r.IntN(5000)) }

func (r random) list(one func(int) string) []string {
	var list []string
	for range r.IntN(4) {
		list = append(list, one(20))
	}
	return list
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func seconds(d time.Duration) *int32 { return count(int(d / time.Second)) }

func count(n int) *int32 {
	if n == 0 {
		return nil
	}
	return aws.Int32(int32(n))
}

func policies(arns []string) []types.PolicyDescriptorType {
	var list []types.PolicyDescriptorType
	for _, arn := range arns {
		list = append(list, types.PolicyDescriptorType{Arn: aws.String(arn)})
	}
	return list
}

func (r random) tags() (ours []stsquery.Tag, theirs []types.Tag) {
	for range r.IntN(4) {
		tag := stsquery.Tag{Key: r.needed(10), Value: r.text(10)}
		ours = append(ours, tag)
		theirs = append(theirs, types.Tag{Key: aws.String(tag.Key), Value: aws.String(tag.Value)})
	}
	return ours, theirs
}

func drawCalls(r random) calls {
	arn, name, policy, arns := r.needed(30), r.needed(20), r.some(60), r.list(r.needed)
	duration, least := r.duration(), r.number()
	serial, code, secret := r.some(20), r.some(6), r.needed(200)
	tags, theirTags := r.tags()
	switch r.IntN(11) {
	case 0:
		transitive, external, identity := r.list(r.needed), r.some(20), r.some(20)
		var contexts []stsquery.ProvidedContext
		var theirContexts []types.ProvidedContext
		for range r.IntN(3) {
			c := stsquery.ProvidedContext{ProviderARN: r.needed(20), Assertion: stschain.NewSecret(r.needed(40))}
			contexts = append(contexts, c)
			theirContexts = append(theirContexts, types.ProvidedContext{ProviderArn: &c.ProviderARN, ContextAssertion: aws.String(c.Assertion.Reveal())})
		}
		return pair((*stsquery.Client).AssumeRole, stsquery.AssumeRoleInput{
			RoleARN: arn, RoleSessionName: name, Duration: duration, Policy: policy, PolicyARNs: arns, Tags: tags, TransitiveTagKeys: transitive,
			ExternalID: external, SourceIdentity: identity, SerialNumber: serial, TokenCode: stschain.NewSecret(code),
			ProvidedContexts: contexts, MinimumSessionTokenSize: least,
		}, (*sts.Client).AssumeRole, &sts.AssumeRoleInput{
			RoleArn: &arn, RoleSessionName: &name, DurationSeconds: seconds(duration), Policy: optional(policy), PolicyArns: policies(arns), Tags: theirTags,
			TransitiveTagKeys: transitive, ExternalId: optional(external), SourceIdentity: optional(identity), SerialNumber: optional(serial),
			TokenCode: optional(code), ProvidedContexts: theirContexts, MinimumSessionTokenSize: count(least),
		})
	case 1:
		secret = r.word(4, 300) // base64: white space in it would be taken out
		return pair((*stsquery.Client).AssumeRoleWithSAML, stsquery.AssumeRoleWithSAMLInput{
			RoleARN: arn, PrincipalARN: name, SAMLAssertion: stschain.NewSecret(secret), Policy: policy, PolicyARNs: arns, Duration: duration, MinimumSessionTokenSize: least,
		}, (*sts.Client).AssumeRoleWithSAML, &sts.AssumeRoleWithSAMLInput{
			RoleArn: &arn, PrincipalArn: &name, SAMLAssertion: &secret, Policy: optional(policy), PolicyArns: policies(arns), DurationSeconds: seconds(duration), MinimumSessionTokenSize: count(least),
		})
	case 2:
		provider := r.some(20)
		return pair((*stsquery.Client).AssumeRoleWithWebIdentity, stsquery.AssumeRoleWithWebIdentityInput{
			RoleARN: arn, RoleSessionName: name, WebIdentityToken: stschain.NewSecret(secret), ProviderID: provider, Policy: policy, PolicyARNs: arns, Duration: duration, MinimumSessionTokenSize: least,
		}, (*sts.Client).AssumeRoleWithWebIdentity, &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: &arn, RoleSessionName: &name, WebIdentityToken: &secret, ProviderId: optional(provider), Policy: optional(policy), PolicyArns: policies(arns),
			DurationSeconds: seconds(duration), MinimumSessionTokenSize: count(least),
		})
	case 3:
		return pair((*stsquery.Client).AssumeRoot, stsquery.AssumeRootInput{
			TargetPrincipal: name, TaskPolicyARN: arn, Duration: duration, MinimumSessionTokenSize: least,
		}, (*sts.Client).AssumeRoot, &sts.AssumeRootInput{
			TargetPrincipal: &name, TaskPolicyArn: &types.PolicyDescriptorType{Arn: &arn}, DurationSeconds: seconds(duration), MinimumSessionTokenSize: count(least),
		})
	case 4:
		return pair((*stsquery.Client).DecodeAuthorizationMessage, stsquery.DecodeAuthorizationMessageInput{EncodedMessage: secret},
			(*sts.Client).DecodeAuthorizationMessage, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &secret})
	case 5:
		return pair((*stsquery.Client).GetAccessKeyInfo, stsquery.GetAccessKeyInfoInput{AccessKeyID: name},
			(*sts.Client).GetAccessKeyInfo, &sts.GetAccessKeyInfoInput{AccessKeyId: &name})
	case 6:
		whoami := func(c *stsquery.Client, ctx context.Context, _ stsquery.GetCallerIdentityInput) (*stsquery.GetCallerIdentityOutput, error) {
			return c.GetCallerIdentity(ctx)
		}
		return pair(whoami, stsquery.GetCallerIdentityInput{}, (*sts.Client).GetCallerIdentity, &sts.GetCallerIdentityInput{})
	case 7:
		return pair((*stsquery.Client).GetDelegatedAccessToken, stsquery.GetDelegatedAccessTokenInput{TradeInToken: stschain.NewSecret(secret)},
			(*sts.Client).GetDelegatedAccessToken, &sts.GetDelegatedAccessTokenInput{TradeInToken: &secret})
	case 8:
		return pair((*stsquery.Client).GetFederationToken, stsquery.GetFederationTokenInput{
			Name: name, Policy: policy, PolicyARNs: arns, Duration: duration, Tags: tags, MinimumSessionTokenSize: least,
		}, (*sts.Client).GetFederationToken, &sts.GetFederationTokenInput{
			Name: &name, Policy: optional(policy), PolicyArns: policies(arns), DurationSeconds: seconds(duration), Tags: theirTags, MinimumSessionTokenSize: count(least),
		})
	case 9:
		return pair((*stsquery.Client).GetSessionToken, stsquery.GetSessionTokenInput{
			Duration: duration, SerialNumber: serial, TokenCode: stschain.NewSecret(code), MinimumSessionTokenSize: least,
		}, (*sts.Client).GetSessionToken, &sts.GetSessionTokenInput{
			DurationSeconds: seconds(duration), SerialNumber: optional(serial), TokenCode: optional(code), MinimumSessionTokenSize: count(least),
		})
	}
	audience := append(r.list(r.needed), "a")
	return pair((*stsquery.Client).GetWebIdentityToken, stsquery.GetWebIdentityTokenInput{
		Audience: audience, SigningAlgorithm: name, Duration: duration, Tags: tags,
	}, (*sts.Client).GetWebIdentityToken, &sts.GetWebIdentityTokenInput{
		Audience: audience, SigningAlgorithm: &name, DurationSeconds: seconds(duration), Tags: theirTags,
	})
}

// TestEncoder compares the decoded form that each client sends.
func TestEncoder(t *testing.T) {
	differ := tally{}
	for i := range *encoderInputs {
		seed := *first + uint64(i)
		both := drawCalls(drawing(seed))
		var got, want sink
		ours := &stsquery.Client{
			Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Region: "us-east-1", Endpoint: "https://sts.example.com",
			HTTPClient: &http.Client{Transport: &got}, Retry: stsquery.Retry{MaxAttempts: 1},
		}
		theirs := sts.New(sts.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("https://sts.example.com"), HTTPClient: &want, Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		})
		err := both.ours(t.Context(), ours)
		theirErr := both.theirs(t.Context(), theirs)
		if got.form == nil || want.form == nil {
			t.Fatalf("seed %d: nothing was sent: ours %v, theirs %v", seed, err, theirErr)
		}
		if !reflect.DeepEqual(got.form, want.form) || got.contentType != want.contentType {
			if reason := explainedForm(got.form, want.form); reason != "" {
				differ[reason]++
				continue
			}
			t.Fatalf("seed %d:\nours   %s %q\ntheirs %s %q", seed, got.contentType, got.form, want.contentType, want.form)
		}
	}
	differ.report(t, *encoderInputs)
}

// explainedForm says why forms differ as they should, or "".
func explainedForm(got, want url.Values) string {
	for name := range want {
		if _, ok := got[name]; !ok && strings.HasSuffix(name, ".Value") && want.Get(name) == "" {
			return "an empty value of a tag is left out"
		}
	}
	return ""
}
