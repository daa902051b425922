package stsquery_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/stsquery"
)

// testEndpoints compares the endpoint and the signature's scope, or the error,
// with those of AWS's own rules.
func testEndpoints(t *testing.T, dir string) {
	var suite struct {
		TestCases []struct {
			Documentation string
			Params        struct {
				Region, Endpoint                         string
				UseFIPS, UseDualStack, UseGlobalEndpoint bool
			}
			Expect struct {
				Error    string
				Endpoint struct {
					URL        string
					Properties struct {
						AuthSchemes []struct{ Name, SigningName, SigningRegion string }
					}
				}
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "endpoint-tests-1.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &suite))
	require.Len(t, suite.TestCases, 69)
	for _, test := range suite.TestCases {
		t.Run(test.Documentation, func(t *testing.T) {
			p, want := test.Params, test.Expect
			c := &stsquery.Client{Region: p.Region, Endpoint: p.Endpoint, FIPS: p.UseFIPS, DualStack: p.UseDualStack, Global: p.UseGlobalEndpoint}
			got, err := c.Resolve("")
			if want.Error != "" {
				require.ErrorContains(t, err, want.Error)
				require.ErrorIs(t, err, stschain.ErrPermanent)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want.Endpoint.URL, strings.TrimSuffix(got.URL, "/"))
			signingName, signingRegion := "sts", p.Region
			if schemes := want.Endpoint.Properties.AuthSchemes; len(schemes) > 0 {
				require.Equal(t, "sigv4", schemes[0].Name)
				signingName, signingRegion = schemes[0].SigningName, schemes[0].SigningRegion
			}
			require.Equal(t, signingName, got.SigningName)
			require.Equal(t, signingRegion, got.SigningRegion)

			// And that is what a presigned URL has.
			if signingRegion == "" {
				return
			}
			c.Credentials = stschain.Static("AKIDEXAMPLE", secretKey, "")
			signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
			require.NoError(t, err)
			u, err := url.Parse(signed.URL.Reveal())
			require.NoError(t, err)
			require.Equal(t, strings.TrimPrefix(want.Endpoint.URL, "https://"), u.Host)
			require.Contains(t, u.Query().Get("X-Amz-Credential"), "/"+signingRegion+"/sts/")
		})
	}
}

// The table of partitions is that of the SDKs, for every region there is.
func TestPartitions(t *testing.T) {
	var file struct {
		Partitions []struct {
			Outputs struct {
				DNSSuffix, DualStackDNSSuffix string
				SupportsFIPS                  bool
				SupportsDualStack             bool
			}
			Regions map[string]any
		}
	}
	data, err := os.ReadFile(filepath.Join(conformance.Dir(t), "endpoints", "partitions.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &file))
	require.Len(t, file.Partitions, 8)
	for _, p := range file.Partitions {
		require.NotEmpty(t, p.Regions)
		require.True(t, p.Outputs.SupportsFIPS && p.Outputs.SupportsDualStack, "the client has no rule for such a partition")
		for region := range p.Regions {
			if region == "aws-global" {
				continue
			}
			for dualStack, suffix := range map[bool]string{false: p.Outputs.DNSSuffix, true: p.Outputs.DualStackDNSSuffix} {
				got, err := (&stsquery.Client{Region: region, DualStack: dualStack}).Resolve("")
				require.NoError(t, err)
				require.Equal(t, "https://sts."+region+"."+suffix+"/", got.URL)
			}
		}
	}
}
