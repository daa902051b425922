// Quickstart assumes a role with the credentials of a chain and signs requests with the
// result, while the credentials are refreshed.
//
// Without flags it starts a fake STS and a service that verifies signatures, both on
// loopback, with credentials that are valid for seconds. STS fails for a while, and the
// service rejects a token; no request fails.
//
//	go run ./examples/quickstart
//
// With flags it calls a real STS. The base credentials come from the default chain of the
// AWS SDKs: environment, profile, container, instance.
//
//	export AWS_PROFILE=dev
//	go run ./examples/quickstart -region eu-west-1 -role-arn arn:aws:iam::123456789012:role/demo
//	go run ./examples/quickstart -endpoint http://127.0.0.1:9000 -service s3 -call http://127.0.0.1:9000/
//
// The last line and the exit code say whether all requests worked.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
)

// setting is the difference between the demonstration and a real STS.
type setting struct {
	chain          stschain.Provider
	endpoint       string // of STS; "": the region's
	region         string
	roleARN        string
	service, call  string // the name of the service in signatures, and the URL to call
	advisoryWindow time.Duration
	script         func(ctx context.Context, cache *stschain.Cache) // the faults of the demonstration
	requests       *atomic.Int64                                    // to STS, with retries
	duration       time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Stdout, os.Args[1:]))
}

func run(ctx context.Context, out io.Writer, args []string) int {
	s := setting{requests: new(atomic.Int64)}
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.StringVar(&s.endpoint, "endpoint", "", "the `URL` of an STS, instead of that of the region")
	flags.StringVar(&s.region, "region", "", "the `region` of STS and of the service")
	flags.StringVar(&s.roleARN, "role-arn", "", "the `ARN` of the role to assume; some servers have no roles")
	flags.StringVar(&s.call, "call", "", "the `URL` to call with the role's credentials; by default STS's GetCallerIdentity")
	flags.StringVar(&s.service, "service", "sts", "the `name` of the service at -call, for its signatures")
	flags.DurationVar(&s.duration, "for", 20*time.Second, "how long to run")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}

	line := newTimeline(out)
	if flags.NFlag() == 0 || flags.NFlag() == 1 && s.duration != 20*time.Second {
		line.print("program", "no flags: a fake STS and a service that verifies signatures, on loopback")
		stop, err := demonstration(&s, line)
		if err != nil {
			fmt.Fprintln(out, "quickstart:", err)
			return 1
		}
		defer stop()
	} else {
		s.chain = &source.Default{Region: s.region}
		s.region = cmp.Or(s.region, "us-east-1")
		s.call = cmp.Or(s.call, cmp.Or(s.endpoint, "https://sts."+s.region+".amazonaws.com")+"/?Action=GetCallerIdentity&Version=2011-06-15")
		s.script = func(context.Context, *stschain.Cache) {}
	}
	return drive(ctx, s, line)
}

// drive is the part that a real program needs: create the clients, then use them.
func drive(ctx context.Context, s setting, line *timeline) int {
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: s.chain, Region: s.region, Endpoint: s.endpoint,
			HTTPClient: &http.Client{Transport: counter{s.requests}}, // leave it out, unless requests are to be counted
		},
		RoleARN: s.roleARN,
	}
	cache := &stschain.Cache{
		Provider:       role,
		AdvisoryWindow: s.advisoryWindow,
		OnEvent:        line.event,
	}
	client := &http.Client{
		Transport: &sigv4.Transport{Service: s.service, Region: s.region, Credentials: cache},
		Timeout:   10 * time.Second,
	}

	ctx, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	go s.script(ctx, cache)
	var worked, failed atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				if err := get(client, s.call); err != nil {
					failed.Add(1)
					line.printOnce("program", "a request FAILED: %v", err)
				} else {
					worked.Add(1)
				}
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	callers.Wait()

	status := cache.Status()
	line.print("program", "%d requests by 8 callers, %d failed; %d waited for credentials: the first ones, or those after a rejection",
		worked.Load()+failed.Load(), failed.Load(), status.Waits)
	line.print("program", "%d refreshes began, %d failed; %d requests to STS ended, retries included", status.Attempts, status.Failures, s.requests.Load())
	if failed.Load() > 0 || worked.Load() == 0 {
		line.end("FAILED: not all requests worked")
		return 1
	}
	line.end("ok: all requests worked")
	return 0
}

// counter counts requests.
type counter struct{ requests *atomic.Int64 }

func (c counter) RoundTrip(req *http.Request) (*http.Response, error) {
	defer c.requests.Add(1)
	return http.DefaultTransport.RoundTrip(req)
}

// get calls the service. It takes no context, so that requests in flight are finished.
func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
