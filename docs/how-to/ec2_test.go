package howto_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func instanceClient(ctx context.Context) (*http.Client, error) {
	metadata := &imds.Provider{}
	region, err := metadata.Region(ctx)
	if err != nil {
		return nil, err
	}
	creds := &stschain.Cache{Provider: metadata, OnEvent: stschain.LogEvents(slog.Default())}
	return &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: creds}}, nil
}

func TestEC2(t *testing.T) {
	machine := newMachine(t)
	machine.instance(t)
	client, err := instanceClient(t.Context())
	require.NoError(t, err)
	require.Equal(t, machine.session("i-0a1b2c3d"), machine.signer(t, client))

	role := &assumerole.Provider{
		Client:      &stsquery.Client{Credentials: &imds.Provider{}, Region: "eu-west-1"},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "backup",
	}
	role.Client.HTTPClient = machine.sts.Client()
	creds, err := role.Retrieve(t.Context())
	require.NoError(t, err)
	caller, _ := machine.sts.Caller(creds.AccessKeyID)
	require.Equal(t, machine.session("backup"), caller.ARN)
}

// silent accepts connections and does not respond, as behind a hop limit. A request of version 1 is refused.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPut {
		return ststest.InProcess(status(http.StatusUnauthorized)).RoundTrip(r)
	}
	httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// status responds with an HTTP status to every request.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestEC2Errors(t *testing.T) {
	newMachine(t)
	var failed failures
	at := func(network http.RoundTripper) *imds.Provider {
		return &imds.Provider{HTTPClient: &http.Client{Transport: network}, MaxAttempts: 1}
	}
	failed.of(t, at(ststest.InProcess(status(http.StatusNotFound))))
	failed.of(t, at(ststest.InProcess(status(http.StatusForbidden))))
	failed.of(t, at(unreachable{}))
	synctest.Test(t, func(t *testing.T) { failed.of(t, at(silent{})) })
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	failed.of(t, &imds.Provider{})
	requireRows(t, "ec2.md", failed...)
}
