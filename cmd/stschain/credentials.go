package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/source/process"
	"github.com/stschain-go/stschain/stsquery"
)

// chain is where credentials are looked for.
func (c *call) chain() *source.Default {
	return &source.Default{Profile: c.profile, Region: c.region, AllowHTTP: c.allowHTTP, LookupEnv: c.lookupEnv, MFAToken: c.askCode, Run: c.runProcess}
}

// runProcess runs a credential_process that is killed when the command is over. A cache goes
// on with a refresh whose caller has left, and what hangs would outlive this program.
func (c *call) runProcess(ctx context.Context, command string) ([]byte, error) {
	c.processes.Add(1)
	defer c.processes.Add(-1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.alive, func() { cancel(context.Cause(c.alive)) })
	defer stop()
	return process.Shell(ctx, command)
}

// identity is what commands act as: what the chain finds, or the role that it assumes.
type identity struct {
	*stschain.Cache
	chain *source.Default
}

func (c *call) identity(ctx context.Context) (identity, error) {
	chain := c.chain()
	found := identity{c.cached(chain), chain}
	if c.roleARN == "" {
		return found, nil
	}
	if _, err := found.Retrieve(ctx); err != nil { // before there is talk of regions
		return identity{}, err
	}
	client, err := found.client(ctx)
	if err != nil {
		return identity{}, err
	}
	return identity{c.cached(&assumerole.Provider{Client: client, RoleARN: c.roleARN}), chain}, nil
}

// client is one of STS that signs as the identity.
func (id identity) client(ctx context.Context) (*stsquery.Client, error) {
	client, err := id.chain.Client(ctx)
	if err != nil {
		return nil, err
	}
	client.Credentials = id.Cache
	return client, nil
}

// cached returns a cache over p, whose events are logged with -v.
func (c *call) cached(p stschain.Provider) *stschain.Cache {
	cache := &stschain.Cache{Provider: p}
	if c.verbose {
		c.log.watch(cache)
	}
	return cache
}

// journal is standard error, for several goroutines, until it is closed.
type journal struct {
	mu     sync.Mutex
	to     io.Writer // nil: closed
	caches []*stschain.Cache
	ended  uint64 // tries that were told of
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.to == nil {
		return len(p), nil
	}
	return j.to.Write(p)
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.to = nil
}

// watch writes down what happens in a cache.
func (j *journal) watch(c *stschain.Cache) {
	write := stschain.LogEvents(slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c.OnEvent = func(e stschain.Event) {
		write(e)
		if e.Kind == stschain.Refreshed || e.Kind == stschain.RefreshFailed {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.ended++
		}
	}
	j.caches = append(j.caches, c)
}

// settle waits, not for long, until all that happened has been written.
func (j *journal) settle() {
	await(100*time.Millisecond, func() bool {
		var tries uint64
		for _, c := range j.caches {
			tries += c.Status().Attempts
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.ended >= tries
	})
}

// await waits until something is so, but no longer than that.
func await(most time.Duration, so func() bool) {
	for end := time.Now().Add(most); !so() && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
}

// printJSON prints v for people and programs.
func (c *call) printJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printable is text of others, with nothing that a terminal obeys.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
