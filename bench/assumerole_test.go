package bench_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
)

// BenchmarkAssumeRole is a call of AssumeRole over loopback, on a connection that
// is kept. What the server in this process does is part of the figures.
func BenchmarkAssumeRole(b *testing.B) { compare(b, assumeRole(b)) }

func assumeRole(tb testing.TB) []work {
	endpoint := serve(tb, roleResponse)
	client := &http.Client{Transport: &http.Transport{}}
	tb.Cleanup(client.CloseIdleConnections)

	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		"User-Agent":   {"bench"},
		"X-Amz-Date":   {"20261121T120000Z"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=" + accessKeyID + "/20261121/eu-west-1/sts/aws4_request, " +
			"SignedHeaders=content-type;host;x-amz-date, Signature=" + strings.Repeat("0", 64)},
	}
	ours := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: stschain.Static(accessKeyID, secretKey, ""),
			Region:      region,
			Endpoint:    endpoint,
			HTTPClient:  client,
		},
		RoleARN: roleARN, SessionName: sessionName, Duration: duration,
	}
	sdk := stscreds.NewAssumeRoleProvider(sts.New(sts.Options{
		Credentials:  aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(accessKeyID, secretKey, "")),
		Region:       region,
		BaseEndpoint: aws.String(endpoint),
		HTTPClient:   client,
	}), roleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		o.Duration = duration
	})
	minio := &miniocreds.STSAssumeRole{
		Client:      client,
		STSEndpoint: endpoint,
		Options: miniocreds.STSAssumeRoleOptions{
			AccessKey: accessKeyID, SecretKey: secretKey,
			Location: region, RoleARN: roleARN, RoleSessionName: sessionName,
			DurationSeconds: int(duration.Seconds()),
		},
	}
	return []work{
		{"net/http", func() error { // the same bytes, neither signed nor parsed
			req, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(roleForm))
			if err != nil {
				return err
			}
			req.Header = header
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return check(string(body) == roleResponse, err)
		}},
		{"stschain", func() error {
			creds, err := ours.Retrieve(context.Background())
			return check(creds.AccessKeyID == accessKeyID, err)
		}},
		{"aws", func() error {
			creds, err := sdk.Retrieve(context.Background())
			return check(creds.AccessKeyID == accessKeyID, err)
		}},
		{"minio", func() error {
			creds, err := minio.Retrieve()
			return check(creds.AccessKeyID == accessKeyID, err)
		}},
	}
}

func check(ok bool, err error) error {
	if err == nil && !ok {
		return errors.New("the response is wrong")
	}
	return err
}
