package sigv4_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// A role's credentials at a service that verifies with code of its own, over
// their expiry and over their rejection.
func TestRoleAtAService(t *testing.T) {
	for _, service := range []string{"execute-api", "s3"} {
		t.Run(service, func(t *testing.T) {
			mock := clock.NewMock()
			mock.Set(now)
			srv := ststest.NewTest(t)
			srv.Clock = mock
			srv.AllowRefusals("ExpiredToken")
			var callers []string
			api := httptest.NewServer(srv.Protect(service, "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, _ := ststest.CallerFrom(r.Context())
				callers = append(callers, c.AccessKeyID)
				io.Copy(w, r.Body)
			})))
			defer api.Close()

			tr := &sigv4.Transport{
				Service: service, Region: "eu-west-1", Clock: mock, Base: api.Client().Transport,
				Credentials: &assumerole.Provider{
					Client:  &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client(), Clock: mock},
					RoleARN: "arn:aws:iam::123456789012:role/backup",
				},
			}
			client := &http.Client{Transport: tr}
			send := func() {
				t.Helper()
				req := newRequest(t, "PUT", api.URL+"/a b//+%2F/../ü?x=2&x=1+&y;z", strings.NewReader("hello"))
				req.Header = http.Header{"Content-Type": {"text/plain"}, "X-Amz-Meta-A": {" a\t b ", "c"}, "X-Amz-Meta-B": {""}}
				resp, err := client.Do(req)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				require.Equal(t, 200, resp.StatusCode, string(body))
				require.Equal(t, "hello", string(body))
			}
			send()
			mock.Add(time.Minute)
			send()
			require.Equal(t, callers[0], callers[1])
			require.Equal(t, 1, srv.Count("AssumeRole"))

			mock.Add(2 * time.Hour) // they expire
			send()
			require.Equal(t, 2, srv.Count("AssumeRole"))
			mock.Add(time.Minute)
			require.True(t, srv.Revoke(callers[2])) // they are rejected
			send()
			require.Equal(t, 3, srv.Count("AssumeRole"))
			require.NotEqual(t, callers[2], callers[3])
			mock.Add(time.Minute)
			send()
			require.Equal(t, callers[3], callers[4])
		})
	}
}

// Presigned URLs at the same service.
func TestPresignedAtAService(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(now)
	srv := ststest.NewTest(t)
	srv.Clock = mock
	srv.AddKeys("arn:aws:iam::123456789012:user/somebody", temporary)
	for service, hash := range map[string]string{"s3": sigv4.UnsignedPayload, "execute-api": sigv4.PayloadHash(nil)} {
		api := httptest.NewServer(srv.Protect(service, "eu-west-1", nil))
		defer api.Close()
		s := &sigv4.Signer{Service: service, Region: "eu-west-1", SignedHeaders: []string{"X-Audience"}}
		req := newRequest(t, "GET", api.URL+"/a b//+%2F/../ü?x=2&x=1+&y;z", nil)
		req.Header = http.Header{"X-Audience": {"me\tand  you"}, "X-Amz-Meta-A": {"1", "2"}, "Accept": {"*/*"}}
		link, signed, err := s.Presign(req, hash, temporary, now, time.Minute)
		require.NoError(t, err)
		later := newRequest(t, "GET", link.Reveal(), nil)
		later.Header = signed
		resp, err := api.Client().Do(later)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, "arn:aws:iam::123456789012:user/somebody", string(body))
	}
}
