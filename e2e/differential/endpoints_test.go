package differential_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

var knownRegions = strings.Fields(`aws-global us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1
	ap-south-1 ap-northeast-1 ap-northeast-2 ap-southeast-1 ap-southeast-2 ca-central-1 sa-east-1 af-south-1 me-south-1 il-central-1 mx-central-1
	cn-north-1 cn-northwest-1 aws-cn-global us-gov-east-1 us-gov-west-1 aws-us-gov-global us-iso-east-1 us-isob-east-1 us-isof-south-1 eu-isoe-west-1 eusc-de-east-1
	aws-iso-global aws-iso-b-global eusc-de-west-1 us-iso-west-1`)

// explainedEndpoint says why endpoints differ as they should, or "".
func explainedEndpoint(region, got, want string) string {
	host, _, _ := strings.Cut(got, " ")
	if strings.HasSuffix(region, "-global") && strings.HasPrefix(want, host+" ") {
		return "the SDK signs for a global pseudo-region; ours for the region that stands behind it"
	}
	return ""
}

// TestEndpoints compares the endpoint and the region of the signature.
func TestEndpoints(t *testing.T) {
	differ := tally{}
	resolver := sts.NewDefaultEndpointResolverV2()
	for i := range *endpointInputs {
		seed := *first + uint64(i)
		r := drawing(seed)
		region := oneOf(r, knownRegions...)
		if r.chance(30) {
			region = oneOf(r, "us", "eu", "ap", "cn", "us-gov", "us-iso", "us-isob", "eu-isoe", "eusc", "xx") + "-" +
				oneOf(r, "east", "central", "de-east", strings.ToLower(r.word(1, 6))) + "-" + oneOf(r, "1", "2", "7")
		}
		fips, dual, global := r.chance(30), r.chance(30), r.chance(30)

		client := &stsquery.Client{
			Region: region, FIPS: fips, DualStack: dual, Global: global,
			Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""),
		}
		got := ""
		signed, err := client.Presign(context.Background(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
		if err == nil {
			u, _ := url.Parse(signed.URL.Reveal())
			got = u.Scheme + "://" + u.Host + " " + strings.Split(u.Query().Get("X-Amz-Credential"), "/")[2]
		}

		want := ""
		endpoint, theirErr := resolver.ResolveEndpoint(context.Background(), sts.EndpointParameters{
			Region: aws.String(region), UseFIPS: aws.Bool(fips), UseDualStack: aws.Bool(dual), UseGlobalEndpoint: aws.Bool(global),
		})
		if theirErr == nil {
			signing := region // which a client signs for if the endpoint names no other
			if schemes, ok := smithyauth.GetAuthOptions(&endpoint.Properties); ok && len(schemes) > 0 {
				if name, ok := smithyhttp.GetSigV4SigningRegion(&schemes[0].SignerProperties); ok {
					signing = name
				}
			}
			want = endpoint.URI.Scheme + "://" + endpoint.URI.Host + " " + signing
		}
		if got != want {
			if reason := explainedEndpoint(region, got, want); reason != "" {
				differ[reason]++
				continue
			}
			t.Fatalf("seed %d: %s fips %v dual stack %v global %v\nours   %s %v\ntheirs %s %v", seed, region, fips, dual, global, got, err, want, theirErr)
		}
	}
	differ.report(t, *endpointInputs)
}
