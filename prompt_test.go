package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// device is a provider that prompts 5 s after the call, and returns 4 minutes later.
func device() *source {
	return &source{respond: func(ctx context.Context, n int) (stschain.Credentials, error) {
		<-time.After(5 * time.Second)
		if err := stschain.Prompt(ctx); err != nil {
			return stschain.Credentials{}, fmt.Errorf("device: %w", err)
		}
		select {
		case <-time.After(4 * time.Minute):
			return key(n, time.Hour), nil
		case <-ctx.Done():
			return stschain.Credentials{}, ctx.Err()
		}
	}}
}

// Two roles over one session: the second joins the attempt of the first, before or after the
// prompt, and waits as long. A caller that cannot prompt gives up at the prompt.
func TestPromptGivesTimeToAllThatWait(t *testing.T) {
	for _, after := range []time.Duration{time.Second, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			src := device()
			session := stschain.Cached(stschain.NewChain(notHere, src))
			var wg sync.WaitGroup
			for i := range 2 {
				role := stschain.Cached(&member{name: "role", below: []stschain.Provider{session}})
				wg.Go(func() {
					<-time.After(time.Duration(i) * after)
					if _, err := role.Retrieve(t.Context()); err != nil {
						t.Errorf("role %d: %v", i, err)
					}
				})
			}
			wg.Go(func() {
				<-time.After(3 * time.Second)
				start := time.Now()
				_, err := session.Retrieve(stschain.WithoutPrompt(t.Context()))
				if !errors.Is(err, stschain.ErrPrompt) || time.Since(start) != 2*time.Second {
					t.Errorf("without prompt: %v after %v", err, time.Since(start))
				}
			})
			wg.Wait()
			require.Equal(t, 1, src.count())
		})
	}
}

func TestPromptDoesNotExtendTimeout(t *testing.T) {
	script(t, &stschain.Cache{Provider: device(), Timeout: 10 * time.Second}, "fail within 10s in 10s")
}

// A context that the provider derived before the prompt ends with the attempt, 5 minutes after that began.
func TestPromptDerivedContext(t *testing.T) {
	src := &source{takes: 10 * time.Second, respond: func(ctx context.Context, n int) (stschain.Credentials, error) {
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := stschain.Prompt(child); err != nil {
			return stschain.Credentials{}, err
		}
		return hangs(child)
	}}
	script(t, &stschain.Cache{Provider: src}, "fail within 5m0s in 5m; source none; fail deadline")
}

// A provider that never calls Prompt has 30 s.
func TestPromptThatIsNotAnnounced(t *testing.T) {
	script(t, &stschain.Cache{}, "takes 1m; fail within 30s in 30s")
}

// A background refresh and Explain never prompt. That is not a failure: the next caller in the mandatory window
// waits, and its attempt may prompt.
func TestPromptNeverInTheBackground(t *testing.T) {
	c := &stschain.Cache{Provider: &source{does: "prompts"}}
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, stschain.PromptRequired, stschain.Explain(t.Context(), c).Outcome)
	})
	script(t, &stschain.Cache{}, "source prompts; get key-1; 3539x get key-1, pass 1s; error prompt; failures 0; pass 1s; quiet get key-1; get other than key-1")
}

// MaxStale bridges outages, and a prompt without a response is not one.
func TestPromptOpensNoMaxStale(t *testing.T) {
	p := &member{name: "terminal"}
	c := &stschain.Cache{Provider: p, MaxStale: time.Hour}
	p.retrieve = firstThen(fmt.Errorf("no terminal: %w", stschain.ErrPrompt))
	script(t, c, "get key-1; pass 61m; fail prompt; failures 1; quiet fail prompt")
}

// firstThen returns credentials, and after that err.
func firstThen(err error) func(context.Context) (stschain.Credentials, error) {
	n := 0
	return func(context.Context) (stschain.Credentials, error) {
		if n++; n == 1 {
			return key(1, time.Hour), nil
		}
		return stschain.Credentials{}, err
	}
}

// Outside a Cache there is nothing to move, and nothing that forbids a prompt.
func TestPromptWithoutCache(t *testing.T) {
	require.NoError(t, stschain.Prompt(t.Context()))
	require.ErrorIs(t, stschain.Prompt(stschain.WithoutPrompt(t.Context())), stschain.ErrPrompt)
}

// An attempt that could not prompt delays only callers that cannot prompt either, and Status.Next says so.
// Found by TestExplore: retrieve-quiet, retrieve.
func TestPromptNextAttempt(t *testing.T) {
	script(t, &stschain.Cache{}, "source prompts; quiet fail prompt; next none; get key-1",
		"pass 58m; get key-1; pass 0; next 30s", // half of what is left to the mandatory window
		"pass 30s; get key-1; pass 0; pass 29.5s; get key-1; pass 0; next 500ms; pass 2s; next none")
}

// An attempt that could not prompt does not delay a caller that can, and its error is not the error of that caller,
// whatever is wrong with the cached credentials.
func TestPromptAfterAttemptWithoutPrompt(t *testing.T) {
	background := "source prompts; get key-1; pass 46m; get key-1; pass 1s; error prompt; " // in the advisory window
	for name, steps := range map[string]string{
		"they expire too early":            "quiet for 30m fail prompt; for 30m get other than key-1",
		"since the background refresh":     "for 30m get other than key-1",
		"rejected":                         "reject key-1; get other than key-1",
		"rejected, and an attempt quietly": "reject key-1; quiet fail prompt; get other than key-1",
		"refused":                          "source refuses; pass 1s; for 30m fail refused; source prompts; pass 5s; quiet for 30m fail prompt; for 30m get other than key-1",
	} {
		t.Run(name, func(t *testing.T) {
			src := script(t, &stschain.Cache{FailFast: name == "refused"}, background+steps)
			require.Less(t, src.count(), 10)
		})
	}
}

// The same for a cache of a provider that retrieves from this one.
func TestPromptThroughOuterCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := noJitter(&stschain.Cache{Provider: &source{does: "prompts"}})
		requireGet(t, inner, "key-1")
		pass(46 * time.Minute)
		rejectKey(inner, "key-1")
		_, err := inner.Retrieve(stschain.WithoutPrompt(t.Context()))
		require.ErrorIs(t, err, stschain.ErrPrompt)
		requireGetKey(t, stschain.Cached(stschain.NewChain(inner)), "key-2")
	})
}

// Attempts that cannot prompt do not keep callers from waiting in the mandatory window.
func TestPromptInTheMandatoryWindow(t *testing.T) {
	script(t, &stschain.Cache{}, "source prompts; get key-1; 3540x get key-1, pass 1s; get other than key-1")
}

// After one failed prompt, the user is prompted again before the rejected credentials expire.
func TestPromptAgainAfterFailure(t *testing.T) {
	script(t, &stschain.Cache{}, "source prompts; get key-1; source refuses; pass 1m; reject key-1; get key-1; calls 2",
		"source prompts; pass 4m59.999999999s; get key-1; pass 1ns; get any; pass 0; get other than key-1")
}

// A source that returns ErrPrompt although Prompt returned nil gives its callers this error, and there is no endless loop.
func TestPromptErrorWithoutReason(t *testing.T) {
	p := &member{name: "wrong", retrieve: returns(stschain.ErrPrompt)}
	script(t, &stschain.Cache{Provider: p}, "fail prompt")
	require.Equal(t, 1, p.count())
}
