package otelsts_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// Each region that is called has a span, whose step names the host.
func TestTraceFallback(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.FailNext(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", ""))
	p := newProgram()
	_, err := (&assumerole.Provider{
		Client:      &stsquery.Client{Region: "eu-west-1", FallbackRegions: []string{"eu-central-1"}, Credentials: srv.User(), HTTPClient: srv.Client()},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "test",
	}).Retrieve(p.traced(t.Context()))
	require.NoError(t, err)
	outcomes := map[string]string{}
	for _, s := range p.spans.Ended() {
		if s.Name() == "AssumeRole" {
			attrs := attribute.NewSet(s.Attributes()...)
			step, _ := attrs.Value("stschain.step.name")
			outcome, _ := attrs.Value("stschain.step.outcome")
			outcomes[step.AsString()] = outcome.AsString()
		}
	}
	require.Equal(t, map[string]string{
		"AssumeRole sts.eu-west-1.amazonaws.com": "failure", "AssumeRole sts.eu-central-1.amazonaws.com": "success",
	}, outcomes)
}
