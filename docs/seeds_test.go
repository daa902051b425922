package docs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// The code of seeds.md.
func TestSeeds(t *testing.T) {
	srv := ststest.NewTest(t)
	client := &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()}
	ctx, arn := t.Context(), "arn:aws:iam::123456789012:role/backup"

	out, err := client.AssumeRole(ctx, stsquery.AssumeRoleInput{RoleARN: arn, RoleSessionName: "nightly"})
	require.NoError(t, err)

	in := stsquery.AssumeRoleInput{RoleARN: arn, RoleSessionName: "nightly"}
	type result struct {
		out *stsquery.AssumeRoleOutput
		err error
	}
	results := make(chan result, 1)
	go func() {
		out, err := client.AssumeRole(ctx, in)
		results <- result{out, err}
	}()
	// ... and when the result is needed:
	r := <-results
	require.NoError(t, r.err)
	require.Equal(t, out.AssumedRoleUser.ARN, r.out.AssumedRoleUser.ARN)
}
