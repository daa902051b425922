package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/ststest"
)

const (
	lifetime = 12 * time.Second // STS itself gives 15 minutes at least
	latency  = 200 * time.Millisecond
)

// demonstration starts the fake STS and the service, and makes the setting of a
// program that uses them.
func demonstration(s *setting, line *timeline) (stop func(), err error) {
	sts := ststest.New()
	sts.Lifetime = lifetime
	sts.OnCall = func(c ststest.Call) { line.print("sts", "%s", c.Operation) }

	mux := http.NewServeMux()
	mux.Handle("/echo", sts.Protect("execute-api", "", nil))
	mux.HandleFunc("/sts", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency) // so that one can see who waits
		sts.ServeHTTP(w, r)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	url := "http://" + listener.Addr().String()

	*s = setting{
		// The environment is empty here, so the chain goes on to the demo's user.
		chain:          stschain.NewChain(&env.Provider{LookupEnv: func(string) (string, bool) { return "", false }}, sts.User()),
		endpoint:       url + "/sts",
		region:         "eu-west-1",
		roleARN:        "arn:aws:iam::123456789012:role/quickstart",
		service:        "execute-api",
		call:           url + "/echo",
		advisoryWindow: 8 * time.Second,
		duration:       s.duration,
		script: func(ctx context.Context, cache *stschain.Cache) {
			at := func(d time.Duration) bool {
				select {
				case <-time.After(d - time.Since(line.start)):
					return true
				case <-ctx.Done():
					return false
				}
			}
			if at(5 * time.Second) {
				line.print("outage", "STS answers 503 from now on")
				sts.FailAll(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "out for lunch"))
			}
			if at(10 * time.Second) {
				line.print("outage", "STS is back")
				sts.Heal()
			}
			// Credentials that were fetched within the last second are not fetched again,
			// so that no caller can hammer STS: what is rejected here is older.
			id := ""
			for d := 15 * time.Second; at(d) && id != cache.Status().AccessKeyID; d += 3 * time.Second / 2 {
				id = cache.Status().AccessKeyID
			}
			if ctx.Err() != nil {
				return
			}
			line.print("revoked", "the service rejects %s from now on", id)
			sts.Revoke(id)
		},
	}
	return func() {
		server.Close()
		sts.Close()
	}, nil
}
