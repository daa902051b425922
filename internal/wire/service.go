package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// Service is a service whose requests are not signed with credentials: they carry secrets, or are signed with a certificate's key.
type Service struct {
	URL         *url.URL
	HTTPClient  *http.Client     // nil: a client with timeouts
	MaxAttempts int              // while there is no response, or 429 or 5xx; 0: 3
	Now         func() time.Time // dates responses
}

const attemptTimeout = 5 * time.Second

// Call sends the request that request returns, and passes the response to read.
// It makes another attempt if there is no response, or if read returns an error
// and the status is 200 or retryable. It waits as the standard retry mode of the AWS SDKs does; there is no quota, because
// the providers that call a service are in backoff after an error. An error of the transport names the host.
func (s *Service) Call(ctx context.Context, request func() (Request, error), read func(Response) error) error {
	client := Client(s.HTTPClient, attemptTimeout)
	client.Jar = nil
	if s.HTTPClient == nil {
		defer client.CloseIdleConnections()
	}
	attempts := cmp.Or(max(s.MaxAttempts, 0), 3)
	for n := 1; ; n++ {
		response, again, err := s.attempt(ctx, client, request, read)
		if err == nil || !again || n >= attempts {
			return err
		}
		wait := Standard(errors.Is(err, stschain.ErrThrottled)).Delay(n-1, rand.Float64(), RetryAfter(response.Header))
		if err := system.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (s Service) attempt(ctx context.Context, client *http.Client, request func() (Request, error), read func(Response) error) (response Response, again bool, err error) {
	r, err := request()
	if err != nil {
		return Response{}, false, err
	}
	r.URL, r.Timeout = s.URL.String(), attemptTimeout
	sent := s.Now()
	response, err = Send(ctx, client, r)
	if err != nil {
		return Response{}, ctx.Err() == nil && !errors.Is(err, ErrTooLarge), fmt.Errorf("%s: %w", s.URL.Host, err)
	}
	response.Sent, response.Received = sent, s.Now()
	return response, response.Status == http.StatusOK || Retryable(response.Status), read(response)
}

// Refusal is the error of a service response with a status other than 200.
type Refusal struct {
	Status int
	Code   string // "": the response is not the service's
	text   string
}

func (r *Refusal) Error() string { return r.text }

// Refuse returns the refusal in a response. It does not show the secrets.
func (s *Service) Refuse(r Response, code, message string, secrets ...stschain.Secret) *Refusal {
	refusal := &Refusal{Status: r.Status, Code: redact.OneLine(redact.Text(code, secrets), 64)}
	refusal.text = fmt.Sprintf("%s returned %d %s", s.URL.Host, r.Status, http.StatusText(r.Status))
	if said := redact.Text(strings.Trim(code+": "+message, ": "), secrets); said != "" {
		refusal.text += ", " + said
	}
	return refusal
}

// Marked returns r, marked as ErrPermanent if the service rejected the request, or as ErrThrottled.
func (r *Refusal) Marked() error {
	if strings.HasPrefix(r.Code, "Throttl") { // some services use status 400
		return Throttled(http.StatusTooManyRequests, r)
	}
	if r.Code != "" && r.Status/100 == 4 && !Retryable(r.Status) {
		return stschain.Permanent(r)
	}
	return Throttled(r.Status, r)
}
