package faultproxy_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/e2e/faultproxy"
	"github.com/stschain-go/stschain/stsquery"
)

// With FallbackRegions, the second region bridges every fault of the first one's STS that a retry would be made for, within
// one and a half times the timeout of an attempt. A response of STS, even a damaged one, sends no request elsewhere.
func TestFallbackRegions(t *testing.T) {
	const first, second = "sts.eu-west-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"
	const patience = 10 * time.Second
	s := newServers()
	t.Cleanup(s.Close)
	target := strings.TrimPrefix(s.sts.URL(), "http://")
	for _, f := range faults {
		if f.https || f.client != nil || f.host != "" {
			continue // about TLS and names, which this test replaces
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			broken := "127.0.0.1:1"
			if !f.refused {
				proxy, err := faultproxy.Start(target, f.act)
				require.NoError(t, err)
				t.Cleanup(proxy.Close)
				broken = proxy.Addr()
			}
			var mu sync.Mutex
			var called []string
			transport := &http.Transport{
				DisableKeepAlives: true,
				DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					host, _, _ := strings.Cut(address, ":")
					mu.Lock()
					called = append(called, host)
					mu.Unlock()
					if address = target; host == first {
						address = broken
					}
					return new(net.Dialer).DialContext(ctx, network, address)
				},
				MaxResponseHeaderBytes: 64 << 10,
			}
			c := &stsquery.Client{
				Credentials: s.alice, Region: "eu-west-1", FallbackRegions: []string{"eu-central-1"}, AttemptTimeout: patience,
				HTTPClient: &http.Client{Transport: transport},
			}
			start := time.Now()
			_, err := c.AssumeRole(t.Context(), stsquery.AssumeRoleInput{RoleARN: "arn:aws:iam::123456789012:role/backup", RoleSessionName: "session"})
			took := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case f.works:
				require.NoError(t, err)
				require.Equal(t, []string{first}, called)
			case f.attempts == 1 || f.name == tooManyAsks.name:
				require.Error(t, err)
				require.NotContains(t, called, second)
			default:
				require.NoError(t, err)
				require.Equal(t, []string{first, second}, called)
				require.Less(t, took, patience*3/2)
			}
		})
	}
}
