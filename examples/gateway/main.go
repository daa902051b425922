// Gateway is an HTTP gateway that signs each request for the tenant that sent it: one pool keeps the
// credentials of a thousand roles, each with its own external ID.
//
//	go run ./examples/gateway
//
// It needs nothing: STS and the service behind the gateway are fakes in the same process that verify every
// signature. One tenant's trust policy is broken and later repaired, one tenant is deleted, and one does
// not exist. docs/how-to/gateway.md explains the parts.
//
// Refreshes that failed are logged to stderr. The last line of stdout and the exit code say whether everything
// worked that should.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const (
	tenants = 1000
	clients = 50 // that send requests at the same time
	region  = "eu-west-1"
)

func main() {
	if err := demonstrate(context.Background()); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: every tenant was served with its own role, and no other")
}

func demonstrate(ctx context.Context) error {
	sts := ststest.New()
	defer sts.Close()
	sts.DenyUndeclared = true
	service := httptest.NewServer(sts.Protect("execute-api", region, nil)) // responds with the caller's ARN
	defer service.Close()
	to, err := url.Parse(service.URL)
	if err != nil {
		return err
	}
	g := newGateway(
		&stsquery.Client{Credentials: sts.User(), Region: region, HTTPClient: sts.Client()},
		to, &sigv4.Transport{Service: "execute-api", Region: region, Hosts: []string{to.Host}},
	)
	front := http.NewServeMux()
	front.Handle("/", &g.proxy)
	front.HandleFunc("/metrics", g.metrics)
	front.Handle("/status", g.status()) // for browsers on this machine
	gateway := httptest.NewServer(front)
	defer gateway.Close()

	for n := range tenants {
		t := tenant{roleARN: roleOf(n), externalID: fmt.Sprintf("external-%04d", n)}
		sts.AddRole(ststest.Role{ARN: t.roleARN, ExternalID: t.externalID})
		g.set(name(n), t)
	}
	const broken, deleted = 7, 8
	sts.AddRole(ststest.Role{ARN: roleOf(broken), ExternalID: "another"})
	d := &demonstration{url: gateway.URL, sts: sts}

	d.round(ctx, "cold start, one tenant's trust policy is broken", map[int]int{broken: http.StatusForbidden})
	d.round(ctx, "again, without a call of STS", map[int]int{broken: http.StatusForbidden})
	sts.AddRole(ststest.Role{ARN: roleOf(broken), ExternalID: fmt.Sprintf("external-%04d", broken)})
	g.repaired(name(broken))
	g.remove(name(deleted))
	d.round(ctx, "the trust policy is repaired, another tenant is deleted", map[int]int{deleted: http.StatusNotFound})
	d.expect("a tenant that does not exist", d.send(ctx, "unknown", ""), http.StatusNotFound)

	fmt.Println("metrics:")
	resp, err := http.Get(gateway.URL + "/metrics")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	fmt.Print("  ", strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  "), "\n")
	if resp, err = http.Get(gateway.URL + "/status?format=json&q=" + url.QueryEscape(roleOf(broken))); err != nil {
		return err
	}
	defer resp.Body.Close()
	var status struct {
		Pools []struct {
			Found int
			Keys  []struct{ Phase string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return err
	}
	if len(status.Pools) != 1 || len(status.Pools[0].Keys) != 1 || status.Pools[0].Keys[0].Phase != "fresh" {
		d.fail("the status of the repaired tenant is %+v", status)
	}
	// One call for each tenant, and two for the broken one: refused, and repaired.
	if calls := sts.Count("AssumeRole"); calls != tenants+1 {
		d.fail("%d calls of AssumeRole, want %d", calls, tenants+1)
	}
	return d.err
}

func name(n int) string { return fmt.Sprintf("tenant-%04d", n) }

func roleOf(n int) string { return fmt.Sprintf("arn:aws:iam::%012d:role/gateway", n+1) }

// demonstration sends requests to the gateway and remembers the first that went wrong.
type demonstration struct {
	url string
	sts *ststest.Server

	mu  sync.Mutex
	err error
}

// round sends a request of each tenant. want are the statuses other than 200.
func (d *demonstration) round(ctx context.Context, what string, want map[int]int) {
	began, before := time.Now(), d.sts.Count("AssumeRole")
	var next atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < tenants; n = int(next.Add(1)) - 1 {
				status, other := want[n]
				if !other {
					status = http.StatusOK
				}
				d.expect(name(n), d.send(ctx, name(n), fmt.Sprintf("%012d:assumed-role/gateway/", n+1)), status)
			}
		})
	}
	all.Wait()
	fmt.Printf("%d requests in %4d ms, %4d calls of AssumeRole: %s\n", tenants, time.Since(began).Milliseconds(), d.sts.Count("AssumeRole")-before, what)
}

// send sends a request of a tenant and returns the status. If it is 200, the service must have seen the
// caller.
func (d *demonstration) send(ctx context.Context, tenant, caller string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/orders", nil)
	if err != nil {
		d.fail("%v", err)
		return 0
	}
	req.Header.Set("X-Tenant", tenant)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.fail("%v", err)
		return 0
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusOK && !strings.Contains(string(body), caller) {
		d.fail("%s was served as %q: %v", tenant, body, err)
	}
	return resp.StatusCode
}

func (d *demonstration) expect(tenant string, got, want int) {
	if got != want {
		d.fail("%s: status %d, want %d", tenant, got, want)
	}
}

func (d *demonstration) fail(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}
