package promsts_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/promsts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// The code of docs/how-to/controller.md.

// account is the key of the pool: it decides whose credentials are used.
type account struct{ namespace, roleARN string }

type controller struct {
	pool   *stschain.Pool[account]
	client *http.Client
}

type accountKey struct{} // of the context of a request

// newController returns a controller. Cluster is an ID that no other cluster has, such as the UID of the namespace kube-system.
func newController(sts *stsquery.Client, cluster string, base http.RoundTripper, changed func(account)) *controller {
	c := &controller{pool: &stschain.Pool[account]{
		New: func(a account) (stschain.Provider, error) {
			return &assumerole.Provider{
				Client: sts, RoleARN: a.roleARN, SessionName: "my-controller",
				ExternalID: cluster + "/" + a.namespace, // never from the object: see the page
			}, nil
		},
		MaxEntries:  20_000, // accounts that work
		MaxInFlight: 16,     // calls of STS at once
		OnEvent: stschain.CombineEvents(
			stschain.LogPoolEvents(slog.Default(), func(a account) string { return a.namespace + " " + a.roleARN }),
			func(e stschain.PoolEvent[account]) {
				if e.Kind == stschain.Refreshed || e.Kind == stschain.RefreshFailed {
					changed(e.Key) // adds the objects of the account to the work queue
				}
			},
		),
	}}
	c.client = &http.Client{Transport: &sigv4.Transport{
		Service: "s3", Region: "eu-west-1", Base: base,
		CredentialsFor: func(r *http.Request) (stschain.CachedProvider, error) {
			a, ok := r.Context().Value(accountKey{}).(account)
			if !ok {
				return nil, errors.New("the request has no account")
			}
			return c.pool.Provider(a), nil
		},
	}}
	return c
}

// bucketExists is a part of Reconcile.
func (c *controller) bucketExists(ctx context.Context, a account, bucket string) (bool, error) {
	ctx = context.WithValue(ctx, accountKey{}, a)
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+bucket+".s3.eu-west-1.amazonaws.com/", nil)
	if err != nil {
		return false, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, fmt.Errorf("bucket %s: %s", bucket, resp.Status)
}

// reason is what the condition of an object says after err.
func reason(err error) string {
	switch {
	case err == nil:
		return "Ready"
	case errors.Is(err, stschain.ErrPermanent):
		return "RoleRefused" // until the trust policy or the role ARN changes
	case errors.Is(err, stschain.ErrThrottled):
		return "Throttled"
	}
	return "Unavailable"
}

// start is called once, with the accounts of the objects in the informer's cache.
func (c *controller) start(ctx context.Context, registry prometheus.Registerer, accounts iter.Seq[account]) error {
	if err := registry.Register(&promsts.PoolCollector[account]{Name: "accounts", Pool: c.pool}); err != nil {
		return err
	}
	return c.pool.Warm(ctx, accounts)
}

func TestController(t *testing.T) {
	sts := ststest.NewTest(t)
	team := account{"team-a", "arn:aws:iam::111111111111:role/bucket"}
	sts.AddRole(ststest.Role{ARN: team.roleARN, ExternalID: "6b1c/team-a"})
	var callers []string
	bucket := sts.Protect("s3", "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		callers = append(callers, caller.ARN)
	}))
	client := &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client(), Retry: stsquery.Retry{MaxAttempts: 1}}
	changed := make(chan account, 100)
	c := newController(client, "6b1c", ststest.InProcess(bucket), func(a account) { changed <- a })
	registry := prometheus.NewRegistry()
	require.NoError(t, c.start(t.Context(), registry, slices.Values([]account{team})))
	require.Equal(t, team, <-changed)

	exists, err := c.bucketExists(t.Context(), team, "a")
	require.NoError(t, err)
	require.True(t, exists)
	require.Equal(t, []string{"arn:aws:sts::111111111111:assumed-role/bucket/my-controller"}, callers)
	require.Equal(t, 1, sts.Count("AssumeRole"))
	n, err := testutil.GatherAndCount(registry, "stschain_pool_entries")
	require.NoError(t, err)
	require.Equal(t, 1, n)

	// An object in another namespace with the role of team-a.
	_, refused := c.bucketExists(t.Context(), account{"team-b", team.roleARN}, "a")
	require.Equal(t, "RoleRefused", reason(refused))
	requireRow(t, "controller.md", "AccessDenied: User: ", refused)

	_, err = c.client.Head("https://a.s3.eu-west-1.amazonaws.com/")
	requireRow(t, "controller.md", "the request has no account", err)

	sts.FailAll(ststest.Throttle())
	_, throttled := c.bucketExists(t.Context(), account{"team-c", team.roleARN}, "a")
	require.Equal(t, "Throttled", reason(throttled))
	requireRow(t, "controller.md", "Throttling: Rate exceeded", throttled)
}

// requireRow checks that an error has a text, and that the table of errors of the page has it too.
func requireRow(t *testing.T, page, text string, err error) {
	t.Helper()
	content, readErr := os.ReadFile("../../docs/how-to/" + page)
	require.NoError(t, readErr)
	require.ErrorContains(t, err, text)
	require.Contains(t, string(content), "\n| `"+text+"` |")
}
