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

// device is a provider of a user's own that prompts: it takes 5 s before the prompt, and the user 4 minutes.
func device() *source {
	return &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
		<-time.After(5 * time.Second)
		if err := stschain.Prompt(ctx); err != nil {
			return stschain.Credentials{}, fmt.Errorf("the code of the device: %w", err)
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
// prompt, and has as much time. One that cannot prompt gives up when the prompt comes.
func TestPromptGivesTimeToAllThatWait(t *testing.T) {
	for _, after := range []time.Duration{time.Second, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			src := device()
			session := stschain.Cached(stschain.NewChain(notHere, src))
			var wg sync.WaitGroup
			for i := range 2 {
				role := stschain.Cached(&roleOn{base: session, life: time.Hour})
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

func TestPromptMovesNoTimeoutThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stschain.Cache{Provider: device(), Timeout: 10 * time.Second}
		start := time.Now()
		_, err := c.Retrieve(t.Context())
		require.ErrorContains(t, err, "within 10s")
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// A context that the provider derived before the prompt ends with the attempt, late.
func TestPromptDerivedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			if err := stschain.Prompt(child); err != nil {
				return stschain.Credentials{}, err
			}
			<-child.Done()
			return stschain.Credentials{}, child.Err()
		}}
		start := time.Now()
		_, err := stschain.Cached(src).Retrieve(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "within 5m0s")
		require.Equal(t, 5*time.Minute, time.Since(start))
	})
}

// A provider that never calls Prompt is treated like any other: 30 s, and background refreshes.
func TestPromptThatIsNotAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Minute}
		_, err := stschain.Cached(src).Retrieve(t.Context())
		require.ErrorContains(t, err, "within 30s")
	})
}

// A background refresh and Explain never prompt. That is no failure: the next caller in the mandatory window
// waits, and its attempt may prompt.
func TestPromptNeverInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prompts := 0
		src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
			if err := stschain.Prompt(ctx); err != nil {
				return stschain.Credentials{}, err
			}
			prompts++
			return key(n, time.Hour), nil
		}}
		c := noJitter(&stschain.Cache{Provider: src})
		require.Equal(t, stschain.PromptRequired, stschain.Explain(t.Context(), c).Outcome)
		require.Zero(t, prompts)
		mustGet(t, c)
		first := c.Status().AccessKeyID
		for range 59*60 - 1 {
			requireGet(t, c, first)
			pass(time.Second)
		}
		require.Equal(t, 1, prompts)
		s := c.Status()
		require.ErrorIs(t, s.Err, stschain.ErrPrompt)
		require.Zero(t, s.Failures)
		pass(time.Second)
		_, err := c.Retrieve(stschain.WithoutPrompt(t.Context()))
		require.NoError(t, err, "the cached ones are valid")
		require.Equal(t, 1, prompts)
		got, _ := mustGet(t, c)
		require.NotEqual(t, first, got)
		require.Equal(t, 2, prompts)
	})
}

// MaxStale bridges outages. A user who gives no answer is none.
func TestPromptOpensNoMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := noJitter(&stschain.Cache{Provider: src, MaxStale: time.Hour})
		requireGet(t, c, "key-1")
		src.answer = func(ctx context.Context, n int) (stschain.Credentials, error) {
			return stschain.Credentials{}, fmt.Errorf("no terminal: %w", stschain.ErrPrompt)
		}
		pass(61 * time.Minute)
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, stschain.ErrPrompt)
		require.Equal(t, uint64(1), c.Status().Failures)
		_, err = c.Retrieve(stschain.WithoutPrompt(t.Context()))
		require.ErrorIs(t, err, stschain.ErrPrompt)
	})
}

// Outside a Cache there is nothing to move, and nothing that forbids a prompt.
func TestPromptWithoutCache(t *testing.T) {
	require.NoError(t, stschain.Prompt(t.Context()))
	require.ErrorIs(t, stschain.Prompt(stschain.WithoutPrompt(t.Context())), stschain.ErrPrompt)
}

// A provider that prompts: a background refresh gets stschain.ErrPrompt, and does not open a dialog.
func ExamplePrompt() {
	session := stschain.Cached(stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		if err := stschain.Prompt(ctx); err != nil {
			return stschain.Credentials{}, fmt.Errorf("acme sign-in: %w", err)
		}
		fmt.Println("opening a browser")
		return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("s3cr3t")}, nil
	}))
	_, err := session.Retrieve(stschain.WithoutPrompt(context.Background()))
	fmt.Println(err)
	creds, err := session.Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, err)
	// Output:
	// stschain: waiting for credentials from stschain.ProviderFunc: acme sign-in: stschain: interactive prompt required; background refreshes do not prompt
	// opening a browser
	// AKIDEXAMPLE <nil>
}

// An attempt that could not prompt delays only callers that cannot prompt either, and Status.Next says so.
// Found by TestExplore: retrieve-quiet, retrieve.
func TestPromptNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := noJitter(&stschain.Cache{Provider: &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
			return key(n, time.Hour), stschain.Prompt(ctx)
		}}})
		_, err := c.Retrieve(stschain.WithoutPrompt(t.Context()))
		require.ErrorIs(t, err, stschain.ErrPrompt)
		require.Zero(t, c.Status().Next, "at the next call")
		requireGet(t, c, "key-2")

		pass(58 * time.Minute)
		requireGet(t, c, "key-2") // and a background attempt
		synctest.Wait()
		require.Equal(t, 30*time.Second, time.Until(c.Status().Next), "half of what is left to the mandatory window")
		pass(30 * time.Second)
		requireGet(t, c, "key-2")
		synctest.Wait()
		pass(29500 * time.Millisecond)
		requireGet(t, c, "key-2")
		synctest.Wait()
		require.Equal(t, 500*time.Millisecond, time.Until(c.Status().Next), "callers wait from then on")
		pass(2 * time.Second)
		require.Zero(t, c.Status().Next, "at the next call")
	})
}
