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
	"github.com/stschain-go/stschain/statuspage"
	"github.com/stschain-go/stschain/stsquery"
)

// chain is the default chain with the flags of the command.
func (c *call) chain() *source.Default {
	return &source.Default{Profile: c.profile, Region: c.region, AllowHTTP: c.allowHTTP, LookupEnv: c.lookupEnv, MFAToken: c.promptMFA, Run: c.runProcess}
}

// runProcess runs a credential_process, which is killed when the command ends. A cache continues a refresh whose
// caller gave up, so a process that hangs would otherwise outlive this program.
func (c *call) runProcess(ctx context.Context, command string) ([]byte, error) {
	c.processes.Add(1)
	defer c.processes.Add(-1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.alive, func() { cancel(context.Cause(c.alive)) })
	defer stop()
	return process.Shell(ctx, command)
}

// identity is the credentials of a command: those of the chain, or of the role that they assume.
type identity struct {
	*stschain.Cache
	chain *source.Default
}

func (c *call) identity(ctx context.Context) (identity, error) {
	chain := c.chain()
	chain.WrapRole = c.keep
	found := identity{c.cached(chain), chain}
	if c.roleARN == "" {
		return found, nil
	}
	if _, err := found.Retrieve(ctx); err != nil { // this error is more useful if a region is also missing
		return identity{}, err
	}
	client, err := found.client(ctx)
	if err != nil {
		return identity{}, err
	}
	client.Credentials = base{found.Cache}
	return identity{c.cached(c.keep(&assumerole.Provider{Client: client, RoleARN: c.roleARN})), chain}, nil
}

// client returns a client of STS that signs with the credentials.
func (id identity) client(ctx context.Context) (*stsquery.Client, error) {
	client, err := id.chain.Client(ctx)
	if err != nil {
		return nil, err
	}
	client.Credentials = id.Cache
	return client, nil
}

// cached returns a cache over p, whose events are logged with -v, and are on the page with -status.
func (c *call) cached(p stschain.Provider) *stschain.Cache {
	cache := &stschain.Cache{Provider: p}
	if c.verbose {
		c.log.watch(cache)
	}
	if c.status {
		c.events = new(statuspage.Events) // of a role those of the role
		cache.OnEvent = stschain.CombineEvents(cache.OnEvent, c.events.Add)
	}
	return cache
}

// journal is standard error. It is safe for concurrent use, and drops what is written after close.
type journal struct {
	mu     sync.Mutex
	to     io.Writer // nil: closed
	caches []*stschain.Cache
	ended  uint64 // refreshes that were logged
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.to == nil {
		return len(p), nil
	}
	_, err := inFlags.WriteString(j.to, string(p))
	return len(p), err
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.to = nil
}

// raw returns standard error itself.
func (j *journal) raw() io.Writer {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.to
}

// watch logs the events of a cache.
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

// settle waits for at most a second until all refreshes are logged: events come after the credentials.
func (j *journal) settle() {
	await(time.Second, func() bool {
		var attempts uint64
		for _, c := range j.caches {
			attempts += c.Status().Attempts
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.ended >= attempts
	})
}

// await waits until done returns true, but at most for the timeout.
func await(timeout time.Duration, done func() bool) {
	for end := time.Now().Add(timeout); !done() && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
}

// printJSON prints v as indented JSON.
func printJSON(to io.Writer, v any) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printable replaces characters that a terminal may interpret.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
