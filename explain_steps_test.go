package stschain_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// leaf is a provider that does not list those that it calls.
type leaf struct {
	name     string
	retrieve func(context.Context) (stschain.Credentials, error)
}

func (l *leaf) String() string                                             { return l.name }
func (l *leaf) Retrieve(ctx context.Context) (stschain.Credentials, error) { return l.retrieve(ctx) }

// calls returns a function that calls each provider in a step, and returns the last result.
func calls(providers ...stschain.Provider) func(context.Context) (stschain.Credentials, error) {
	return func(ctx context.Context) (creds stschain.Credentials, err error) {
		for _, p := range providers {
			step, end := stschain.Step{Provider: p}.Start(ctx)
			creds, err = p.Retrieve(step)
			end(creds, err)
		}
		return creds, err
	}
}

// request makes a request that takes 5 ms.
func request(ctx context.Context, name, note string, err error) {
	ctx, end := stschain.Step{Kind: stschain.StepRequest, Name: name}.Start(ctx)
	stschain.Note(ctx, func() string { return note })
	<-time.After(5 * time.Millisecond)
	end(stschain.Credentials{}, err)
}

// Requests are reported if one of them failed and the call succeeded nevertheless.
func TestExplainRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		first, last error // of the requests
		err         error // of the call
		reported    bool
	}{
		"both succeed":          {},
		"the first fails":       {first: errors.New("503"), reported: true},
		"the last fails":        {last: errors.New("503"), reported: true},
		"both and the call":     {first: errors.New("503"), last: errors.New("503"), err: errDown},
		"the call fails anyway": {err: errDown},
	} {
		t.Run(name, func(t *testing.T) {
			service := &leaf{"service", func(ctx context.Context) (stschain.Credentials, error) {
				request(ctx, "eu-west-1", "signed with SigV4a", tt.first)
				request(ctx, "eu-central-1", "", tt.last)
				if tt.err != nil {
					return stschain.Credentials{}, tt.err
				}
				return key(1, time.Hour), nil
			}}
			for _, wrap := range []func() stschain.Provider{
				func() stschain.Provider { return service },
				func() stschain.Provider { return stschain.Cached(service) },
				func() stschain.Provider { return stschain.NewChain(service) },
				func() stschain.Provider { return stschain.NewChain(stschain.Cached(service)) },
			} {
				synctest.Test(t, func(t *testing.T) {
					x := stschain.Explain(t.Context(), wrap())
					if len(x.Below) > 0 {
						require.Equal(t, "chain", x.Provider)
						require.Empty(t, x.Requests)
						require.Empty(t, x.Note)
						require.Zero(t, x.Took)
						x = x.Below[0]
					}
					require.Equal(t, "service", x.Provider)
					require.Empty(t, x.Below)
					require.Equal(t, "signed with SigV4a", x.Note)
					require.Equal(t, 10*time.Millisecond, x.Took)
					require.Equal(t, tt.err == nil, x.Outcome == stschain.Succeeded)
					if !tt.reported {
						require.Empty(t, x.Requests)
						return
					}
					require.Len(t, x.Requests, 2)
					for i, want := range []stschain.Step{{Name: "eu-west-1", Err: tt.first}, {Name: "eu-central-1", Err: tt.last}} {
						want.Kind, want.Took, want.Note = stschain.StepRequest, 5*time.Millisecond, x.Requests[i].Note
						require.Equal(t, want, x.Requests[i])
					}
				})
			}
		})
	}
}

func TestExplainRequestsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := stschain.Explain(t.Context(), &leaf{"service", func(ctx context.Context) (stschain.Credentials, error) {
			request(ctx, "eu-west-1", "", errors.New("503"))
			request(ctx, "eu-central-1", "in another region", nil)
			return stschain.Credentials{AccessKeyID: "AKIA", SecretAccessKey: stschain.NewSecret("s")}, nil
		}})
		require.Equal(t, "succeeded       service: AKIA, no expiry, eu-west-1 failed: 503, eu-central-1 succeeded, took 10ms, in another region\n", x.String())
		text, err := json.Marshal(x)
		require.NoError(t, err)
		require.JSONEq(t, `{"provider": "service", "outcome": "succeeded", "tookMs": 10, "note": "in another region", "credentials": {"accessKeyId": "AKIA"},
			"requests": [{"name": "eu-west-1", "error": "503", "tookMs": 5}, {"name": "eu-central-1", "tookMs": 5}]}`, string(text))
	})
}

// A provider that has not returned is reported as failed, without its requests.
func TestExplainRequestsOfUnfinishedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := &leaf{"stuck", func(ctx context.Context) (stschain.Credentials, error) {
			request(ctx, "eu-west-1", "", errors.New("503"))
			return ignoresContext(ctx)
		}}
		x := requireExplanation(t, stschain.NewChain(stuck), "chain failed [stuck failed]", time.Minute+100*time.Millisecond)
		require.EqualError(t, x.Err, "stschain: no result in time: context deadline exceeded")
		require.EqualError(t, x.Below[0].Err, "stschain: the provider has not returned")
		require.Empty(t, x.Below[0].Requests)
		<-time.After(2 * time.Hour)
	})
}

// Providers are reported below the one that called them, although it does not list them. A chain that is not listed is
// an implementation detail of it.
func TestExplainUnlisted(t *testing.T) {
	base := &member{name: "base"}
	chain := func() stschain.Provider { return stschain.NewChain(&member{name: "env", retrieve: unavailable}, base) }
	flaky := func() stschain.Provider {
		count := 0
		return &leaf{"flaky", func(context.Context) (stschain.Credentials, error) {
			if count++; count == 3 {
				return stschain.Credentials{}, errDown
			}
			return key(count, time.Hour), nil
		}}
	}
	for name, tt := range map[string]struct {
		role func() stschain.Provider
		want string
	}{
		"provider":         {func() stschain.Provider { return &leaf{"role", calls(base)} }, "succeeded [base succeeded]"},
		"repeated call":    {func() stschain.Provider { return &leaf{"role", calls(base, base)} }, "succeeded [base succeeded]"},
		"repeated failure": {func() stschain.Provider { f := flaky(); return &leaf{"role", calls(f, f, f)} }, "failed [flaky succeeded; flaky failed]"},
		"chain": {func() stschain.Provider {
			c := chain()
			return &leaf{"role", func(ctx context.Context) (stschain.Credentials, error) {
				_, err := c.Retrieve(ctx)
				return key(1, time.Hour), err
			}}
		}, "succeeded [env not configured; base succeeded]"},
		"listed chain": {func() stschain.Provider { return &member{name: "role", below: []stschain.Provider{chain()}} }, "succeeded [chain succeeded [env not configured; base succeeded]]"},
		"listed provider": {func() stschain.Provider {
			return &member{name: "role", below: []stschain.Provider{stschain.Cached(base)}}
		}, "succeeded [base succeeded]"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []stschain.Provider{tt.role(), stschain.Cached(tt.role())} {
				x := stschain.Explain(t.Context(), p)
				require.Equal(t, "role "+tt.want, tree(x))
				require.False(t, x.Cached)
				require.False(t, x.Joined)
			}
		})
	}
}

// labeled is a provider that is passed by value, and can be compared if the one in it can be.
type labeled struct {
	stschain.Provider
	name string
}

func (l labeled) String() string { return l.name }

// picks lists two providers, and calls the second one.
type picks [2]stschain.Provider

func (p *picks) String() string                 { return "picks" }
func (p *picks) Providers() []stschain.Provider { return p[:] }
func (p *picks) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return calls(p[1])(ctx)
}

// A call is reported in the line of the provider that was called, even if it cannot be compared.
func TestExplainFindsTheProvider(t *testing.T) {
	f := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return key(1, time.Hour), nil })
	pointer := func() stschain.Provider { return &leaf{"pointer", f} }
	for name, tt := range map[string]struct {
		first, second stschain.Provider
		want          string
	}{
		"pointers":                 {labeled{pointer(), "a"}, labeled{pointer(), "b"}, "[a not called; b succeeded]"},
		"a pointer and a function": {labeled{pointer(), "a"}, labeled{f, "b"}, "[a not called; b succeeded]"},
		"a function and a pointer": {labeled{f, "a"}, labeled{pointer(), "b"}, "[a not called; b succeeded]"},
		"other types":              {f, labeled{f, "b"}, "[stschain.ProviderFunc not called; b succeeded]"},
		"nil":                      {nil, labeled{f, "b"}, "[<nil> not called; b succeeded]"},
		"a function":               {pointer(), f, "[pointer not called; stschain.ProviderFunc succeeded]"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "picks succeeded "+tt.want, tree(stschain.Explain(t.Context(), &picks{tt.first, tt.second})))
		})
	}
}
