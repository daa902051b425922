// Startup shows how a service starts and stops: it sets up its credentials,
// reports readiness from their state, and shuts down in order. It is not ready
// before the first credentials, and not while they are expired because STS is
// down.
//
//	go run ./examples/startup
//
// It needs no AWS account: STS is a fake in the same process, which is down at
// the start and again for an hour later, which passes instantly. With AWS it
// runs until it is interrupted:
//
//	go run ./examples/startup -region eu-west-1 -role-arn arn:aws:iam::123456789012:role/shop
//	curl -i http://127.0.0.1:8080/readyz
//
// The last line and the exit code say whether everything worked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

func main() {
	roleARN := flag.String("role-arn", "", "the role to assume, an `ARN`; without any flag, all is a demonstration")
	region := flag.String("region", "eu-west-1", "the `region` of STS")
	listen := flag.String("listen", "127.0.0.1:8080", "the `address` to serve at")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *roleARN == "" && flag.NFlag()+flag.NArg() > 0:
		err = errors.New("-role-arn is needed")
	case *roleARN == "":
		err = demonstrate(ctx)
	default:
		// For all environments: a laptop or CI, a pod, a task, an instance.
		base := stschain.NewChain(&env.Provider{}, &webidentity.FromEnv{}, &container.Provider{}, &imds.Provider{})
		err = newService(base, *roleARN, *region, nil, nil).serve(ctx, *listen, nil)
	}
	if err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: shut down")
}

// service is created once, at the start. Its parts share one cache.
type service struct {
	credentials *stschain.Cache
	sts         *stsquery.Client // the client that it uses; other programs have a sigv4.Transport here
}

// newService creates the service without a call. client and clock are for tests; nil: the real ones.
func newService(base stschain.Provider, roleARN, region string, client *http.Client, clock stschain.Clock) *service {
	credentials := &stschain.Cache{
		Provider: &assumerole.Provider{
			Client:  &stsquery.Client{Credentials: base, Region: region, HTTPClient: client, Clock: clock},
			RoleARN: roleARN,
		},
		OnEvent: stschain.LogEvents(slog.New(slog.NewTextHandler(os.Stdout, nil))),
		Clock:   clock,
	}
	return &service{
		credentials: credentials,
		sts:         &stsquery.Client{Credentials: credentials, Region: region, HTTPClient: client, Clock: clock},
	}
}

// ready returns why requests should go to another instance. It makes no calls:
// if the check called STS, a short outage of STS would take down every
// instance.
func ready(s stschain.Status) error {
	switch s.Phase {
	case stschain.Empty:
		return errors.New("no credentials yet; see the log")
	case stschain.Expired:
		return errors.New("the credentials have expired; see the log")
	}
	return nil // a failed refresh does not matter while the credentials are valid
}

// serve runs the service until ctx ends. started, if not nil, gets its URL.
func (s *service) serve(ctx context.Context, address string, started chan<- string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(s.credentials.Status()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) {
		who, err := s.sts.GetCallerIdentity(r.Context())
		if err != nil {
			slog.Error("whoami", "err", err)
			http.Error(w, "STS does not say", http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, who.ARN)
	})

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if started != nil {
		started <- "http://" + listener.Addr().String()
	}

	// A cache refreshes only when it is called. A service that gets no requests until it is ready must call it itself.
	go func() {
		for tick := time.Tick(500 * time.Millisecond); ctx.Err() == nil; {
			s.credentials.Retrieve(ctx) // failures are events, and are logged
			select {
			case <-tick:
			case <-ctx.Done():
			}
		}
	}()

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Requests in flight are finished. The cache needs no Close.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(ending)
}

// demonstrate runs the service through two outages of STS.
func demonstrate(ctx context.Context) error {
	ctx, shutDown := context.WithTimeout(ctx, 30*time.Second)
	defer shutDown()
	watch := clock.NewMock()
	watch.Set(time.Now().Truncate(time.Second))
	sts := ststest.New()
	defer sts.Close()
	sts.Clock = watch
	down := ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "out for lunch")
	sts.FailAll(down)

	s := newService(sts.User(), "arn:aws:iam::123456789012:role/shop", "eu-west-1", sts.Client(), watch)
	started, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.serve(ctx, "127.0.0.1:0", started) }()
	var url string
	select {
	case url = <-started:
	case err := <-ended:
		return err
	}
	out := func() { sts.FailAll(down) }
	for _, act := range []struct {
		what   string
		do     func()
		passes time.Duration // for the cache, which backs off
		fails  bool          // to be refreshed
		status int
	}{
		{"STS is down", out, 0, true, http.StatusServiceUnavailable},
		{"STS is up", sts.Heal, time.Second, false, http.StatusOK},
		{"50 minutes later STS is down, and the credentials are still good", out, 50 * time.Minute, true, http.StatusOK},
		{"11 minutes later they are not", out, 11 * time.Minute, true, http.StatusServiceUnavailable},
		{"STS is up again", sts.Heal, 5 * time.Second, false, http.StatusOK},
	} {
		fmt.Println("--", act.what)
		failures := s.credentials.Status().Failures
		act.do()
		watch.Add(act.passes)
		for act.fails && s.credentials.Status().Failures == failures && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		body, err := until(ctx, url+"/readyz", act.status)
		if err != nil {
			return err
		}
		fmt.Printf("-- /readyz: %d %s", act.status, body)
	}
	who, err := until(ctx, url+"/whoami", http.StatusOK)
	if err != nil {
		return err
	}
	fmt.Printf("-- /whoami: %s", who)
	shutDown()
	return <-ended
}

// until polls until the response has this status.
func until(ctx context.Context, url string, status int) (body string, err error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		resp.Body.Close()
		switch {
		case err != nil:
			return "", err
		case resp.StatusCode == status:
			return string(body), nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return "", fmt.Errorf("%s does not return %d", url, status)
		}
	}
}
