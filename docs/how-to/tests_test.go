package howto_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// reports writes reports to a bucket.
type reports struct{ client *http.Client }

// newReports returns the program. In main, base is http.DefaultTransport.
func newReports(creds stschain.Provider, base http.RoundTripper) *reports {
	return &reports{&http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds, Base: base}}}
}

func (r *reports) write(name, text string) error {
	req, err := http.NewRequest(http.MethodPut, "https://reports.s3.eu-west-1.amazonaws.com/"+name, strings.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// fakes returns a fake STS, a cached role of it, and a fake bucket that requires signatures with its credentials.
func fakes(t *testing.T) (*ststest.Server, *stschain.Cache, http.RoundTripper) {
	sts := ststest.NewTest(t)
	sts.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/reports", ExternalID: "reports-of-acme"})
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: sts.User(),
			Region:      "eu-west-1",
			HTTPClient:  sts.Client(),                   // opens no socket
			Retry:       stsquery.Retry{MaxAttempts: 1}, // so that a fault is seen
		},
		RoleARN:    "arn:aws:iam::123456789012:role/reports",
		ExternalID: "reports-of-acme",
	}
	bucket := sts.Protect("s3", "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	return sts, &stschain.Cache{Provider: role}, ststest.InProcess(bucket)
}

func TestWrite(t *testing.T) {
	sts, creds, bucket := fakes(t)
	program := newReports(creds, bucket)
	require.NoError(t, program.write("monday", "all is well"))

	call := sts.Calls()[0]
	require.Equal(t, "AssumeRole", call.Operation)
	require.Equal(t, "reports-of-acme", call.Form.Get("ExternalId"))
}

func TestWriteWithoutSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts, creds, bucket := fakes(t)
		program := newReports(creds, bucket)
		require.NoError(t, program.write("monday", "all is well"))

		sts.FailAll(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "maintenance"))
		time.Sleep(50 * time.Minute) // takes no time
		require.NoError(t, program.write("tuesday", "the cached credentials are still valid"))
		synctest.Wait() // for the background refresh, which fails
		require.ErrorContains(t, creds.Status().Err, "maintenance")

		time.Sleep(time.Hour)
		require.ErrorContains(t, program.write("wednesday", ""), "maintenance")

		sts.Heal()
		time.Sleep(5 * time.Second) // the cache waits that long at most after a failure
		require.NoError(t, program.write("thursday", "it recovered by itself"))
	})
}

func TestRejectedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts, creds, bucket := fakes(t)
		program := newReports(creds, bucket)
		require.NoError(t, program.write("monday", "all is well"))

		time.Sleep(time.Minute)
		require.True(t, sts.Revoke(creds.Status().AccessKeyID))
		require.NoError(t, program.write("tuesday", "the rejected token was replaced"))
		require.Equal(t, 2, sts.Count("AssumeRole"))
	})
}

func TestClock(t *testing.T) {
	clk := clock.NewMock()
	clk.Set(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
	sts := ststest.NewTest(t)
	sts.Clock = clk
	client := &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client(), Clock: clk}
	role := &assumerole.Provider{Client: client, RoleARN: "arn:aws:iam::123456789012:role/reports"}
	creds := &stschain.Cache{Provider: role, Clock: clk}

	_, err := creds.Retrieve(t.Context())
	require.NoError(t, err)
	clk.Add(59*time.Minute + 30*time.Second)
	require.Equal(t, stschain.Mandatory, creds.Status().Phase)
}

// recorder is the TB of a test that fails.
type recorder struct {
	ststest.TB
	mu       sync.Mutex
	reported []error
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported = append(r.reported, fmt.Errorf(format, args...))
}

func TestTestsErrors(t *testing.T) {
	r := &recorder{TB: t}
	sts := ststest.NewTest(r)
	sts.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/reports", ExternalID: "reports-of-acme"})
	client := &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client(), Retry: stsquery.Retry{MaxAttempts: 1}}
	role := &assumerole.Provider{Client: client, RoleARN: "arn:aws:iam::123456789012:role/reports", ExternalID: "reports-of-others"}
	_, externalID := role.Retrieve(t.Context())

	stranger := ststest.New().User()
	_, unknown := (&stsquery.Client{Credentials: stranger, Region: "eu-west-1", HTTPClient: sts.Client()}).GetCallerIdentity(t.Context())
	require.Error(t, unknown) // its server reports more

	role.ExternalID = "reports-of-acme"
	session, err := role.Retrieve(t.Context())
	require.NoError(t, err)
	creds := stschain.Static(session.AccessKeyID, session.SecretAccessKey.Reveal(), session.SessionToken.Reveal())
	bucket := ststest.InProcess(sts.Protect("s3", "", nil))
	transport := &sigv4.Transport{
		Service: "s3", Region: "eu-west-1", Credentials: creds, Base: bucket,
		Clock: clock.NewMock(), // in 1970
	}
	req, err := http.NewRequest(http.MethodGet, "https://reports.example/monday", nil)
	require.NoError(t, err)
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.NotEqual(t, http.StatusOK, resp.StatusCode)

	sts.Close()
	_, closed := role.Retrieve(t.Context())
	r.mu.Lock()
	defer r.mu.Unlock()
	requireRows(t, "tests.md", append(r.reported, externalID, closed)...)
}
