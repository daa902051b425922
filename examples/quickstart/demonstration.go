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
	lifetime = 12 * time.Second // STS has a minimum of 15 minutes
	latency  = 200 * time.Millisecond
)

// demonstration starts the fake STS and the service, and configures the program for them.
func demonstration(s *setting, line *timeline) (stop func(), err error) {
	sts := ststest.New()
	sts.Lifetime = lifetime
	sts.OnCall = func(c ststest.Call) { line.print("sts", "%s", c.Operation) }

	mux := http.NewServeMux()
	mux.Handle("/echo", sts.Protect("execute-api", "", nil))
	mux.HandleFunc("/sts", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency) // to show which requests wait
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
		// The environment is empty here, so the chain continues with the demo's user.
		chain:          stschain.NewChain(&env.Provider{LookupEnv: func(string) (string, bool) { return "", false }}, sts.User()),
		endpoint:       url + "/sts",
		region:         "eu-west-1",
		roleARN:        "arn:aws:iam::123456789012:role/quickstart",
		service:        "execute-api",
		call:           url + "/echo",
		advisoryWindow: 8 * time.Second,
		duration:       s.duration,
		requests:       s.requests,
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
				line.print("outage", "STS returns 503 from now on")
				sts.FailAll(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "down for maintenance"))
			}
			if at(10 * time.Second) {
				line.print("outage", "STS is back")
				sts.Heal()
			}
			// A cache refreshes at most once a second: revoke credentials that are older.
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
