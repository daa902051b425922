package stschain_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// A remark reaches the step and the event of the call, and is not made if there is neither.
func TestNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		remark := func(text string) func() string { return func() string { made++; return text } }
		p := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			stschain.Note(ctx, remark("the profile has credentials too"))
			stschain.Note(ctx, remark(""))
			stschain.Note(ctx, remark("so has the instance"))
			return stschain.Static("AKID", "secret", "").Retrieve(ctx)
		})
		const want = "the profile has credentials too; so has the instance"
		_, err := stschain.Cached(p).Retrieve(t.Context())
		require.NoError(t, err)
		require.Zero(t, made, "no listener")

		stschain.Note(stschain.WithTrace(t.Context(), &stschain.Trace{}), remark("a remark"))
		require.Zero(t, made, "no step")

		steps := map[stschain.StepKind]string{}
		ctx := stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) { steps[s.Kind] = s.Note }})
		_, err = stschain.Cached(p).Retrieve(ctx)
		require.NoError(t, err)
		require.Equal(t, map[stschain.StepKind]string{stschain.StepRefresh: want}, steps)

		events := map[stschain.EventKind]string{}
		cache := &stschain.Cache{Provider: p, OnEvent: func(e stschain.Event) { events[e.Kind] = e.Note }}
		_, err = cache.Retrieve(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, map[stschain.EventKind]string{stschain.RefreshStarted: "", stschain.Refreshed: want}, events)
	})
}

// A provider that picked one of two identities says so.
func ExampleNote() {
	provider := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		stschain.Note(ctx, func() string { return "the vault has credentials too" })
		return stschain.Static("AKIDEXAMPLE", "secret", "").Retrieve(ctx)
	})
	ctx := stschain.WithTrace(context.Background(), &stschain.Trace{
		End: func(_ context.Context, s stschain.Step) { fmt.Println(s.AccessKeyID, s.Note) },
	})
	if _, err := stschain.Cached(provider).Retrieve(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: AKIDEXAMPLE the vault has credentials too
}
