package otelsts_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/otelsts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// tree is the spans that ended, each below its parent, siblings in the order in which they began.
func tree(p *program) (lines []string) {
	spans := slices.Clone(p.spans.Started())
	var below func(parent trace.SpanID, indent string)
	below = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent().SpanID() == parent {
				lines = append(lines, indent+line(s))
				below(s.SpanContext().SpanID(), indent+"  ")
			}
		}
	}
	below(trace.SpanID{}, "")
	return lines
}

// line is a span without the attributes that all have.
func line(s sdktrace.ReadOnlySpan) string {
	words := []string{s.Name()}
	for _, a := range s.Attributes() {
		switch a.Key {
		case "stschain.cache.name", "aws.request_id":
		case "stschain.refresh.joined":
			words = append(words, "joined")
		default:
			words = append(words, a.Value.AsString())
		}
	}
	if s.Status().Code == codes.Error {
		words = append(words, "ERROR")
	}
	return strings.Join(words, ", ")
}

// named is a provider with a name.
type named struct {
	name string
	stschain.ProviderFunc
}

func (n named) String() string { return n.name }

func (p *program) traced(ctx context.Context) context.Context {
	return stschain.WithTrace(ctx, p.telemetry.Trace())
}

// A role over a chain: each span is below the call that led to it.
func TestTrace(t *testing.T) {
	srv := ststest.NewTest(t)
	p := newProgram()
	role := &assumerole.Provider{
		Client: &stsquery.Client{Region: "eu-west-1", HTTPClient: srv.Client(), Credentials: stschain.NewChain(
			named{"env", func(context.Context) (stschain.Credentials, error) {
				return stschain.Credentials{}, stschain.Unavailable("no variable")
			}}, srv.User())},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "test",
	}
	exported := make(chan bool)
	cache := &stschain.Cache{Provider: role, OnEvent: stschain.CombineEvents(p.telemetry.OnEvent, func(e stschain.Event) {
		if e.Kind == stschain.Refreshed {
			close(exported)
		}
	})}
	ctx, caller := p.telemetry.TracerProvider.Tracer("test").Start(t.Context(), "caller")
	for range 2 {
		_, err := cache.Retrieve(p.traced(ctx))
		require.NoError(t, err)
	}
	caller.End()
	const host = "sts.eu-west-1.amazonaws.com"
	name, user := role.String(), "ststest arn:aws:iam::123456789012:user/alice"
	require.Equal(t, []string{
		"caller",
		"  refresh credentials, refresh, " + name + ", success, " + name,
		"    retrieve credentials, provider, " + name + ", success, " + name,
		"      retrieve credentials, provider, chain, success, " + user,
		"        refresh credentials, refresh, chain, success, " + user,
		"          retrieve credentials, provider, chain, success, " + user,
		"            retrieve credentials, provider, env, failure, unavailable",
		"            retrieve credentials, provider, " + user + ", success, " + user,
		"      AssumeRole, request, AssumeRole " + host + ", success, " + user,
	}, tree(p), "none of OnEvent, and none of the second call, which is a cache hit")
	require.Len(t, p.spans.Ended(), 9)
	for _, s := range p.spans.Ended() {
		require.Equal(t, s.Name() == "AssumeRole", s.SpanKind() == trace.SpanKindClient, s.Name())
		attrs := attribute.NewSet(s.Attributes()...)
		cacheName, _ := attrs.Value("stschain.cache.name")
		require.Equal(t, s.Name() != "caller", cacheName.AsString() == "uploads")
	}
	<-exported
	require.Contains(t, p.collect(t), "refreshes[success] 1", "the metrics are as before")
}

// Each span that a refusal passes has its code and the ID of its request.
func TestTraceRefusal(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.DenyUndeclared = true
	srv.AllowRefusals("AccessDenied")
	p := newProgram()
	_, err := (&assumerole.Provider{
		Client:      &stsquery.Client{Region: "eu-west-1", Credentials: srv.User(), HTTPClient: srv.Client()},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "test",
	}).Retrieve(p.traced(t.Context()))
	var refused *stsquery.Error
	require.ErrorAs(t, err, &refused)
	failed := 0
	for _, s := range p.spans.Ended() {
		if s.Status().Code != codes.Error {
			continue
		}
		failed++
		require.Equal(t, "AccessDenied", s.Status().Description)
		attrs := attribute.NewSet(s.Attributes()...)
		class, _ := attrs.Value("error.type")
		require.Equal(t, "AccessDenied", class.AsString())
		id, _ := attrs.Value("aws.request_id")
		require.Equal(t, refused.RequestID, id.AsString())
	}
	require.Equal(t, 2, failed, "the request and the role")
}

// One caller begins a refresh and gives up, the other joins.
func TestTraceJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram()
		cache := p.cache(t, func(context.Context) (stschain.Credentials, error) {
			<-time.After(2 * time.Second)
			return credentials(time.Hour), nil
		})
		gone, cancel := context.WithTimeout(p.traced(t.Context()), time.Second)
		defer cancel()
		go cache.Retrieve(gone)
		synctest.Wait()
		pass(500 * time.Millisecond)
		_, err := cache.Retrieve(p.traced(t.Context()))
		require.NoError(t, err)
		synctest.Wait()

		spans := p.spans.Started()
		require.Len(t, spans, 2)
		require.Len(t, p.spans.Ended(), 2)
		refresh, joined := spans[0], spans[1]
		require.True(t, strings.HasPrefix(line(joined), "refresh credentials, joined, refresh, "), line(joined))
		require.Equal(t, []sdktrace.Link{{SpanContext: refresh.SpanContext()}}, joined.Links())
		require.NotContains(t, line(refresh), "joined")
		require.Empty(t, refresh.Links())
		require.Equal(t, 2*time.Second, refresh.EndTime().Sub(refresh.StartTime()))
		require.Equal(t, 1500*time.Millisecond, joined.EndTime().Sub(joined.StartTime()))
	})
}

// Two Telemetries in one context each end their own spans.
func TestTraceTwice(t *testing.T) {
	p, q := newProgram(), newProgram()
	_, err := stschain.NewChain(stschain.Static("AKIDEXAMPLE", "hunter4711", "")).Retrieve(q.traced(p.traced(t.Context())))
	require.NoError(t, err)
	for _, program := range []*program{p, q} {
		require.Len(t, program.spans.Ended(), 2)
		for _, s := range program.spans.Ended() {
			require.Len(t, s.Attributes(), 5, "%v", s.Attributes())
		}
	}
}

// Nothing configured is an error of the chain, and of no provider in it. A background refresh that would have
// to prompt has its class.
func TestTraceStatus(t *testing.T) {
	p := newProgram()
	none := named{"env\xff", func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, stschain.Unavailable("no variable")
	}}
	prompts := named{"mfa", func(ctx context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, stschain.Prompt(ctx)
	}}
	panics := named{"panics", func(context.Context) (stschain.Credentials, error) { panic("hunter4711") }}
	for _, provider := range []stschain.Provider{none, prompts, panics} {
		cache := stschain.Cached(stschain.NewChain(provider))
		_, err := cache.Retrieve(stschain.WithoutPrompt(p.traced(t.Context())))
		require.Error(t, err)
	}
	require.Equal(t, []string{
		"refresh credentials, refresh, chain, failure, unavailable, ERROR",
		"  retrieve credentials, provider, chain, failure, unavailable, ERROR",
		"    retrieve credentials, provider, env?, failure, unavailable",
		"refresh credentials, refresh, chain, failure, prompt_required, ERROR",
		"  retrieve credentials, provider, chain, failure, prompt_required, ERROR",
		"    retrieve credentials, provider, mfa, failure, prompt_required, ERROR",
		"refresh credentials, refresh, chain, failure, _OTHER, ERROR",
		"  retrieve credentials, provider, chain, failure, _OTHER, ERROR",
		"    retrieve credentials, provider, panics, failure, _OTHER, ERROR",
	}, tree(p))
}

// Nothing that an error says is on a span, and no key.
func TestTraceNoSecret(t *testing.T) {
	p := newProgram()
	fails := named{"vault", func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, &stsquery.Error{Code: "hunter4711", Message: "hunter4711 of AKIDEXAMPLE", Endpoint: "sts.example",
			StatusCode: 403, Err: fmt.Errorf("https://sts.example?token=hunter4711")}
	}}
	works := named{"vault", func(context.Context) (stschain.Credentials, error) { return credentials(time.Hour), nil }}
	for _, provider := range []stschain.Provider{fails, works} {
		stschain.Cached(stschain.NewChain(provider)).Retrieve(p.traced(t.Context()))
	}
	shown := ""
	for _, span := range p.spans.Ended() {
		shown += fmt.Sprintln(span.Name(), span.Attributes(), span.Status(), span.Events(), span.Links())
	}
	require.NotContains(t, shown, "hunter4711")
	for _, kept := range []string{"AKIDEXAMPLE", "sts.example", "https:"} {
		require.NotContains(t, shown, kept)
	}
	require.Contains(t, shown, "403")
}

// The spans of a call, printed as a tree.
func ExampleTelemetry_Trace() {
	p := newProgram() // has the SDK's TracerProvider
	telemetry := &otelsts.Telemetry{TracerProvider: p.telemetry.TracerProvider}
	cache := stschain.Cached(stschain.NewChain(stschain.Static("AKIDEXAMPLE", "s3cr3t", "")))

	ctx := stschain.WithTrace(context.Background(), telemetry.Trace())
	if _, err := cache.Retrieve(ctx); err != nil {
		fmt.Println(err)
	}

	for _, line := range tree(p) {
		fmt.Println(line)
	}
	// Output:
	// refresh credentials, refresh, chain, success, static
	//   retrieve credentials, provider, chain, success, static
	//     retrieve credentials, provider, static, success, static
}
