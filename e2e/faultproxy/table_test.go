package faultproxy_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/e2e/faultproxy"
	"github.com/stschain-go/stschain/e2e/leak"
	"github.com/stschain-go/stschain/stsquery"
)

func TestMain(m *testing.M) { leak.Main(m) }

var table = flag.String("table", "", "the file that TestFaults writes its table to")

// cell is what one operation got under one fault.
type cell struct {
	fault     fault
	operation operation
	err       error
	took      time.Duration
	accepted  int    // connections
	token     string // of the web identity
}

// TestFaults does every operation under every fault, over real sockets. Each ends within
// the caller's patience and a little more, and with the typed error that the fault calls
// for, which shows no secret.
//
//	go test -run TestFaults -v ./faultproxy -table faults.md
func TestFaults(t *testing.T) {
	s := newServers()
	defer s.Close()
	cells := make([]cell, 0, len(faults)*len(operations))
	for _, f := range faults {
		for _, op := range operations {
			cells = append(cells, cell{fault: f, operation: op})
		}
	}
	require.GreaterOrEqual(t, len(faults), 25)

	var running sync.WaitGroup
	slots := make(chan struct{}, 48) // most of them wait
	for i := range cells {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			cells[i].run(s)
		})
	}
	running.Wait()
	for _, c := range cells {
		t.Run(c.fault.name+"/"+c.operation.name, c.check)
	}
	if *table != "" {
		require.NoError(t, os.WriteFile(*table, []byte(markdown(cells)), 0o666))
	}
}

// patience is how long an attempt may take.
func (f fault) patience() time.Duration {
	switch {
	case f.hangs && f.first:
		return 2 * time.Second // in which what comes after it has to work
	case f.hangs:
		return 300 * time.Millisecond
	}
	return 10 * time.Second
}

func (c *cell) run(s *servers) {
	c.token = s.token.Reveal()
	target := s.sts.URL()
	if c.operation.signed {
		target = s.service.URL
	}
	proxy, err := faultproxy.Start(strings.TrimPrefix(target, "http://"), c.fault.act)
	if err != nil {
		c.err = err
		return
	}
	defer proxy.Close()
	scheme, host := "http://", proxy.Addr()
	if c.fault.refused { // the port of a client: no other process gets it while the client has it
		conn, err := net.Dial("tcp", strings.TrimPrefix(target, "http://"))
		if err != nil {
			c.err = err
			return
		}
		defer conn.Close()
		host = conn.LocalAddr().String()
	}
	if c.fault.host != "" {
		_, port, _ := strings.Cut(host, ":")
		scheme, host = "https://", c.fault.host+":"+port
	}
	if c.fault.https {
		scheme = "https://"
	}
	var client *http.Client
	if c.fault.client != nil {
		client = c.fault.client(host)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	started := time.Now()
	c.err = c.operation.run(ctx, s, scheme+host, client, c.fault.patience())
	c.took, c.accepted = time.Since(started), proxy.Accepted()
	if client != nil {
		client.CloseIdleConnections()
	}
}

// attempts is how often stsquery should have tried.
func (c cell) attempts() int {
	switch {
	case c.fault.attempts != 0:
		return c.fault.attempts
	case c.operation.once && !c.fault.unseen:
		return 1
	}
	return 3
}

func (c cell) works() bool {
	if c.fault.first { // stsquery sends again, sigv4.Transport leaves that to its caller
		return !c.operation.once && !c.operation.signed
	}
	return c.fault.works
}

func (c cell) check(t *testing.T) {
	most := 3*c.fault.patience() + 5*time.Second
	if c.took > most {
		t.Errorf("took %v, more than %v", c.took, most)
	}
	if c.works() {
		require.NoError(t, c.err)
		return
	}
	if c.err == nil && c.operation.once && c.fault.first && c.fault.either {
		return // nothing had been sent when it happened
	}
	require.Error(t, c.err)
	for _, secret := range []string{secretKey, mfaCode, c.token} {
		checkHidden(t, secret, c.err)
	}
	if c.operation.signed {
		var lost *url.Error
		require.True(t, errors.As(c.err, &lost) || errors.Is(c.err, errResponse), "neither of the connection nor of the response: %v", c.err)
		require.LessOrEqual(t, c.accepted, 1, "it was sent again")
		return
	}
	var typed *stsquery.Error
	require.ErrorAs(t, c.err, &typed)
	require.Equal(t, strings.TrimSuffix(c.operation.name, ", MFA"), typed.Operation)
	require.NotEmpty(t, typed.Endpoint)
	require.LessOrEqual(t, c.accepted, typed.Attempts, "it was sent behind the client's back")
	if c.operation.once && c.fault.either {
		require.Contains(t, []int{1, 2, 3}, typed.Attempts, c.err)
	} else {
		require.Equal(t, c.attempts(), typed.Attempts, c.err)
	}
	require.True(t, typed.StatusCode != 0 || typed.Err != nil, "neither a response nor why there is none: %v", c.err)
	if c.fault.hangs {
		var waited interface{ Timeout() bool }
		require.True(t, errors.As(c.err, &waited) && waited.Timeout(), "%v", c.err)
	}
}

// checkHidden fails the test if a secret shows in err or in what it wraps, as it is or encoded.
func checkHidden(t *testing.T, secret string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err)
	if encoded, err := json.Marshal(err); err == nil {
		text += string(encoded)
	}
	for how, encoded := range map[string]string{
		"as it is":    secret,
		"URL-encoded": url.QueryEscape(secret),
		"in base64":   strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
		"in hex":      hex.EncodeToString([]byte(secret)),
	} {
		require.False(t, strings.Contains(text, encoded), "%T shows a secret %s", err, how)
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		checkHidden(t, secret, err.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range err.Unwrap() {
			checkHidden(t, secret, err)
		}
	}
}

// markdown is the table, a row for each fault.
func markdown(cells []cell) string {
	var b strings.Builder
	b.WriteString("| fault |")
	for _, op := range operations {
		b.WriteString(" " + op.name + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", len(operations)+1) + "\n")
	for i, c := range cells {
		if i%len(operations) == 0 {
			b.WriteString("| " + c.fault.name + " |")
		}
		fmt.Fprintf(&b, " %s, %v |", c.outcome(), c.took.Round(time.Millisecond))
		if i%len(operations) == len(operations)-1 {
			b.WriteString("\n")
		}
	}
	return b.String()
}

// outcome is what the caller got, in a few words.
func (c cell) outcome() string {
	var typed *stsquery.Error
	var at *url.Error
	switch {
	case c.err == nil:
		return "works"
	case errors.As(c.err, &typed) && typed.StatusCode != 0:
		return fmt.Sprintf("status %d, %d×", typed.StatusCode, typed.Attempts)
	case errors.As(c.err, &typed):
		return fmt.Sprintf("%s, %d×", kind(typed.Err), typed.Attempts)
	case errors.As(c.err, &at):
		return kind(at.Err)
	}
	return kind(c.err)
}

// kind is an error's last words.
func kind(err error) string {
	var waited interface{ Timeout() bool }
	if errors.As(err, &waited) && waited.Timeout() {
		return "timeout"
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.NewReplacer("|", "", "\n", " ").Replace(text[:min(len(text), 60)])
}
