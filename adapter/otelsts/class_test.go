package otelsts_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// classOf is the error.type of the span of a try that failed with err.
func classOf(t *testing.T, err error) string {
	t.Helper()
	p := newProgram()
	p.telemetry.OnEvent(stschain.Event{Kind: stschain.RefreshFailed, Time: time.Now(), Err: err})
	attrs := attribute.NewSet(p.spans.Ended()[0].Attributes()...)
	class, ok := attrs.Value("error.type")
	require.True(t, ok)
	return class.AsString()
}

func TestErrorType(t *testing.T) {
	sts := func(code string, status int, cause error) error {
		return fmt.Errorf("assumerole: %w", &stsquery.Error{Operation: "AssumeRole", Code: code, StatusCode: status, Err: cause})
	}
	for want, errs := range map[string][]error{
		"AccessDenied": {sts("AccessDenied", 403, nil), sts("AccessDeniedException", 403, nil),
			sts("", 0, sts("AccessDenied", 403, nil)), errors.Join(errDown, sts("AccessDenied", 403, nil))},
		"Throttling": {sts("Throttling", 400, nil)},
		"418":        {sts("ImATeapot", 418, nil)},
		"502":        {sts("", 502, errors.New("no XML"))},
		"timeout":    {context.DeadlineExceeded, os.ErrDeadlineExceeded, sts("", 0, context.DeadlineExceeded), &net.OpError{Err: os.ErrDeadlineExceeded}},
		"canceled":   {context.Canceled, &url.Error{Err: context.Canceled}},
		"network":    {&net.OpError{Op: "dial", Err: errDown}, &net.DNSError{Name: "sts.example"}, &url.Error{Err: x509.UnknownAuthorityError{}}, sts("", 0, &net.OpError{Err: errDown})},
		"unavailable": {stschain.Unavailable("no variable"), &stschain.ChainError{}, stschain.Unavailable("none: %w", &stschain.ChainError{}),
			fmt.Errorf("assumerole: %w", &stschain.ChainError{})},
		"prompt_required": {fmt.Errorf("mfa: %w", stschain.ErrPrompt)},
		"permanent":       {fmt.Errorf("refused: %w", stschain.ErrPermanent)},
		"_OTHER":          {nil, errDown, fmt.Errorf("role: %w", stschain.Unavailable("no variable")), sts("", 200, errors.New("no XML")), sts("Anything", 0, nil)},
	} {
		for _, err := range errs {
			require.Equal(t, want, classOf(t, err), "%v", err)
		}
	}
}

// However many words a server knows, there are not many series.
func TestErrorTypeBounded(t *testing.T) {
	p := newProgram()
	for i := range 10_000 {
		p.telemetry.OnEvent(stschain.Event{Kind: stschain.RefreshFailed, Time: time.Now(), Origin: fmt.Sprint("source ", i),
			Err: &stsquery.Error{Code: fmt.Sprint("Code", i), StatusCode: i}})
	}
	require.LessOrEqual(t, len(p.collect(t)), 2*201)
}
