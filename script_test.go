package stschain_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// source is a provider. By default each call returns new credentials, key-1, key-2, ..., that are valid for an
// hour. A script changes what it does, or a test sets respond.
type source struct {
	does    string                                                         // see script; "": works
	life    time.Duration                                                  // of the credentials; 0: an hour
	takes   time.Duration                                                  // before it returns
	respond func(ctx context.Context, n int) (stschain.Credentials, error) // nil: as above

	mu      sync.Mutex
	calls   int
	running int
	most    int // calls that ever ran at once
	at      []time.Time
	last    stschain.Credentials
}

func (s *source) String() string { return "source" }

func (s *source) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	s.mu.Lock()
	does, prompts := strings.CutPrefix(s.does, "prompts")
	s.mu.Unlock()
	if prompts {
		if err := stschain.Prompt(ctx); err != nil {
			return stschain.Credentials{}, fmt.Errorf("device: %w", err)
		}
	}
	s.mu.Lock()
	s.calls++
	s.running++
	s.most = max(s.most, s.running)
	s.at = append(s.at, time.Now())
	n, life, takes, respond := s.calls, s.life, s.takes, s.respond
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
	}()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return stschain.Credentials{}, ctx.Err()
		}
	}
	if respond != nil {
		return respond(ctx, n)
	}
	switch strings.TrimPrefix(does, " and ") {
	case "fails":
		return stschain.Credentials{}, errDown
	case "refuses":
		return stschain.Credentials{}, errRefused
	case "hangs":
		<-ctx.Done()
		return stschain.Credentials{}, ctx.Err()
	case "ignores its context":
		<-time.After(20 * time.Minute)
	case "returns key-1":
		n = 1
	}
	creds := key(n, cmp.Or(life, time.Hour))
	if life == never {
		creds.Expires = time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.does == "repeats itself" {
		return s.last, nil
	}
	s.last = creds
	return creds, nil
}

const never = time.Duration(-1)

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// key returns the n-th credentials, which are valid for life.
func key(n int, life time.Duration) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("key-%d", n),
		SecretAccessKey: stschain.NewSecret("secret"),
		SessionToken:    stschain.NewSecret("token"),
		Expires:         time.Now().Add(life),
	}
}

var (
	errDown    = errors.New("the source is down")
	errRefused = fmt.Errorf("%w: the source refuses", stschain.ErrPermanent)
)

// script runs steps, separated by semicolons, against a cache over a source, in a synctest bubble, without jitter:
//
//	get key-1            Retrieve returns key-1 at once
//	get key-2 in 5s      it returns after 5 s
//	get other than key-1 it returns other credentials; get any
//	fail down            it returns an error: any, one of scriptErrors, or one that contains the text
//	fetch key-1          the same, with or without a wait
//	quiet get key-1      under WithoutPrompt
//	within 1s get key-1  under a context that ends in 1 s
//	for 30m get key-1    RetrieveFor
//	60x get key-1, pass 1s
//	reject key-1         Invalidate
//	pass 45m             time passes, and background refreshes end
//	source fails         from now on; also works, refuses, hangs, "ignores its context", "returns key-1", "repeats itself",
//	                     "prompts", "prompts and fails". A call that cannot prompt does not count
//	takes 2s, life 10m   of the source, from now on
//	calls 3              the source was called three times; also most, failures, stale, waits
//	phase fresh, rejected true, error down, window 15m0s, next 30s    of the Status
func script(t *testing.T, c *stschain.Cache, steps ...string) *source {
	t.Helper()
	src, ok := c.Provider.(*source)
	if !ok {
		src = &source{}
	}
	synctest.Test(t, func(t *testing.T) {
		defer func() { <-time.After(3 * time.Hour) }() // for calls that ignore their context
		if c.Provider == nil {
			c.Provider = src
		}
		p := &player{T: t, c: noJitter(c), src: src}
		for _, step := range strings.Split(strings.Join(steps, "; "), ";") {
			p.play(strings.TrimSpace(step))
		}
	})
	return src
}

// player plays a script.
type player struct {
	*testing.T
	c   *stschain.Cache
	src *source
}

var (
	repeated     = regexp.MustCompile(`^(\d+)x (.+)$`)
	callStep     = regexp.MustCompile(`^(quiet )?(?:within (\S+) )?(?:for (\S+) )?(get|fetch|fail) (.+?)(?: in (\S+))?$`)
	scriptErrors = map[string]error{
		"none": nil, "down": errDown, "refused": stschain.ErrPermanent, "deadline": context.DeadlineExceeded, "prompt": stschain.ErrPrompt,
	}
)

func (p *player) play(step string) {
	p.Helper()
	if m := repeated.FindStringSubmatch(step); m != nil {
		for range p.number(m[1]) {
			for part := range strings.SplitSeq(m[2], ", ") {
				p.play(part)
			}
		}
		return
	}
	if m := callStep.FindStringSubmatch(step); m != nil {
		p.call(step, m)
		return
	}
	verb, arg, _ := strings.Cut(step, " ")
	s := p.c.Status()
	counts := map[string]int{"failures": int(s.Failures), "stale": int(s.Stale), "waits": int(s.Waits)}
	p.set(func() { counts["calls"], counts["most"] = p.src.calls, p.src.most })
	texts := map[string]string{"phase": s.Phase.String(), "rejected": fmt.Sprint(s.Rejected), "window": s.AdvisoryWindow.String(), "next": "none"}
	if !s.Next.IsZero() {
		texts["next"] = time.Until(s.Next).String()
	}
	switch got, isText := texts[verb]; verb {
	case "pass":
		pass(p.duration(arg))
	case "reject":
		rejectKey(p.c, arg)
	case "source":
		p.set(func() { p.src.does = arg })
	case "takes":
		p.set(func() { p.src.takes = p.duration(arg) })
	case "life":
		p.set(func() { p.src.life = p.duration(arg) })
	case "error":
		p.matches(step, s.Err, arg)
	default:
		if isText {
			require.Equal(p, arg, got, step)
			return
		}
		require.Contains(p, counts, verb, step)
		require.Equal(p, p.number(arg), counts[verb], step)
	}
}

// call plays a step with get or fail.
func (p *player) call(step string, m []string) {
	p.Helper()
	quiet, within, atLeast, verb, want, wait := m[1], m[2], m[3], m[4], m[5], m[6]
	ctx := p.Context()
	if quiet != "" {
		ctx = stschain.WithoutPrompt(ctx)
	}
	if within != "" {
		c, cancel := context.WithTimeout(ctx, p.duration(within))
		defer cancel()
		ctx = c
	}
	retrieve := p.c.Retrieve
	if atLeast != "" {
		retrieve = func(ctx context.Context) (stschain.Credentials, error) {
			return p.c.RetrieveFor(ctx, p.duration(atLeast))
		}
	}
	start := time.Now()
	creds, err := retrieve(ctx)
	if wait != "" {
		require.Equal(p, p.duration(wait), time.Since(start), step)
	} else if verb == "get" {
		require.Zero(p, time.Since(start), step)
	}
	if verb == "fail" {
		p.matches(step, err, want)
		return
	}
	require.NoError(p, err, step)
	if old, other := strings.CutPrefix(want, "other than "); other {
		require.NotEqual(p, old, creds.AccessKeyID, step)
	} else if want != "any" {
		require.Equal(p, want, creds.AccessKeyID, step)
	}
}

func (p *player) matches(step string, err error, want string) {
	p.Helper()
	target, known := scriptErrors[want]
	switch {
	case want == "any":
		require.Error(p, err, step)
	case known && target == nil:
		require.NoError(p, err, step)
	case known:
		require.ErrorIs(p, err, target, step)
	default:
		require.ErrorContains(p, err, want, step)
	}
}

func (p *player) set(f func()) {
	p.src.mu.Lock()
	defer p.src.mu.Unlock()
	f()
}

func (p *player) duration(text string) time.Duration {
	p.Helper()
	if text == "never" {
		return never
	}
	d, err := time.ParseDuration(text)
	require.NoError(p, err)
	return d
}

func (p *player) number(text string) int {
	p.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(p, err)
	return n
}

// pass lets virtual time pass, and everything that is due in it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// mustGet retrieves credentials, and returns their key and how long it took.
func mustGet(t *testing.T, p stschain.Provider) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	return creds.AccessKeyID, time.Since(start)
}

// requireGet requires this key, at once.
func requireGet(t *testing.T, p stschain.Provider, want string) {
	t.Helper()
	got, took := mustGet(t, p)
	require.Equal(t, want, got)
	require.Zero(t, took, "the caller had to wait")
}

func requireGetKey(t *testing.T, p stschain.Provider, want string) {
	t.Helper()
	got, _ := mustGet(t, p)
	require.Equal(t, want, got)
}

func rejectKey(c stschain.Invalidator, id string) {
	c.Invalidate(stschain.Credentials{AccessKeyID: id})
}

// noJitter makes windows exact, and backoff as short as possible.
func noJitter(c *stschain.Cache) *stschain.Cache {
	c.SetRandom(func() float64 { return 0 })
	return c
}
