package sigv4_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// counted counts the requests of a transport.
type counted struct {
	http.RoundTripper
	n int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n++
	return c.RoundTripper.RoundTrip(r)
}

// ways are how a request is signed and sent: by RoundTrip, and by a framework.
func ways(tr *sigv4.Transport) map[string]func(*http.Request) (*http.Response, error) {
	return map[string]func(*http.Request) (*http.Response, error){
		"RoundTrip": tr.RoundTrip,
		"SignRequest": func(req *http.Request) (*http.Response, error) {
			for again := false; ; again = true {
				if err := tr.SignRequest(req); err != nil {
					return nil, err
				}
				resp, err := tr.Base.RoundTrip(req)
				if err != nil {
					return nil, err
				}
				resp.Request = req
				if again || !tr.InvalidateRejected(resp) {
					return resp, nil
				}
				resp.Body.Close()
			}
		},
	}
}

// A machine whose clock is off works after one correction, at STS and at services
// (aws-sdk#754, smithy-rs#4800).
func TestClockSkew(t *testing.T) {
	for _, service := range []string{"s3", "execute-api"} {
		for _, ahead := range []time.Duration{17 * time.Minute, -17 * time.Minute, 23 * time.Hour, -23 * time.Hour} {
			for way := range ways(nil) {
				t.Run(fmt.Sprint(service, ahead, way), func(t *testing.T) {
					ours, theirs := clock.NewMock(), clock.NewMock()
					ours.Set(now)
					theirs.Set(now.Add(ahead))
					srv := ststest.NewTest(t)
					srv.Clock = theirs
					srv.AllowRefusals("RequestTimeTooSkewed", "SignatureDoesNotMatch")
					base := &counted{RoundTripper: ststest.InProcess(srv.Protect(service, "eu-west-1", nil))}
					tr := &sigv4.Transport{
						Service: service, Region: "eu-west-1", Clock: ours, Base: base,
						Credentials: &assumerole.Provider{
							Client:  &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client(), Clock: ours},
							RoleARN: "arn:aws:iam::123456789012:role/backup",
						},
					}
					send := func(url string, want int) {
						t.Helper()
						before := base.n
						requireOK(t, ways(tr)[way], newRequest(t, "PUT", url, strings.NewReader("hello")))
						require.Equal(t, want, base.n-before, "requests")
					}
					send("https://one.example/", 2)
					send("https://one.example/", 1)
					send("https://ONE.example:443/", 1)
					send("https://two.example/", 2) // each host for itself
					send("https://one.example/", 1)
					ours.Set(theirs.Now()) // a time server is started
					send("https://one.example/", 2)
					send("https://one.example/", 1)
				})
			}
		}
	}
}

// skewed is a host with a clock and a code of its own.
func skewed(at time.Time, status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", at.UTC().Format(http.TimeFormat))
		w.WriteHeader(status)
		fmt.Fprintf(w, s3Error, code)
	}
}

// What a host says of the time is believed for that host, if it says it together
// with a code for dates, and within a day.
func TestClockSkewIsNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		at     time.Time
		status int
		code   string
		sent   int
	}{
		"wrong time":            {now.Add(3 * time.Hour), 403, "RequestTimeTooSkewed", 2},
		"wrong time, EC2":       {now.Add(-3 * time.Hour), 401, "AuthFailure", 2},
		"two days":              {now.Add(48 * time.Hour), 403, "RequestTimeTooSkewed", 1},
		"minus two days":        {now.Add(-48 * time.Hour), 403, "RequestInTheFuture", 1},
		"year 1":                {time.Time{}, 403, "RequestTimeTooSkewed", 1},
		"the date was right":    {now.Add(3 * time.Minute), 403, "RequestTimeTooSkewed", 1},
		"4 minutes":             {now.Add(4 * time.Minute), 403, "RequestTimeTooSkewed", 1},
		"4 minutes and 1 s":     {now.Add(4*time.Minute + time.Second), 403, "RequestTimeTooSkewed", 2},
		"a day":                 {now.Add(24 * time.Hour), 403, "RequestTimeTooSkewed", 2},
		"a day and 1 s":         {now.Add(24*time.Hour + time.Second), 403, "RequestTimeTooSkewed", 1},
		"another code":          {now.Add(time.Hour), 403, "AccessDenied", 1},
		"another status":        {now.Add(time.Hour), 404, "RequestTimeTooSkewed", 1},
		"success":               {now.Add(time.Hour), 200, "RequestTimeTooSkewed", 1},
		"in the message":        {now.Add(time.Hour), 403, "AccessDenied</Code><Message>RequestTimeTooSkewed</Message><Code>", 1},
		"signature of the date": {now.Add(-time.Hour), 403, "SignatureDoesNotMatch", 2},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := &counted{RoundTripper: ststest.InProcess(skewed(c.at, c.status, c.code))}
			var dates []string
			honest := ststest.InProcess(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { dates = append(dates, r.Header.Get("X-Amz-Date")) }))
			tr := &sigv4.Transport{
				Service: "execute-api", Region: "eu-west-1", Clock: fixedClock(now), Credentials: stschain.Static("AKID", "secret", "token"),
				Base: roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host == "wrong.example" {
						return wrong.RoundTrip(r)
					}
					return honest.RoundTrip(r)
				}),
			}
			resp, err := tr.RoundTrip(newRequest(t, "GET", "https://wrong.example/", nil))
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, fmt.Sprintf(s3Error, c.code), string(body))
			require.Equal(t, c.sent, wrong.n)
			for _, url := range []string{"https://honest.example/", "https://wrong.example.honest.example/", "https://wrong.example:8443/"} {
				_, err := tr.RoundTrip(newRequest(t, "GET", url, nil))
				require.NoError(t, err)
			}
			own := now.Format("20060102T150405Z")
			require.Equal(t, []string{own, own, own}, dates)
		})
	}
}

// A host that names another time with each response gets a request twice, and one
// that rejects every token, too: neither is repeated for ever.
func TestRejectionsWithoutEnd(t *testing.T) {
	sent := 0
	tr := &sigv4.Transport{
		Service: "s3", Region: "r", Clock: fixedClock(now), Credentials: stschain.Static("AKID", "secret", ""),
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			return ststest.InProcess(skewed(now.Add(time.Duration(sent)*time.Hour), 403, "RequestTimeTooSkewed")).RoundTrip(r)
		}),
	}
	do(t, tr.RoundTrip, newRequest(t, "GET", "https://wrong.example/", nil))
	require.Equal(t, 2, sent)

	sent = 0
	minutes := clock.NewMock()
	minutes.Set(now)
	ids := 0
	tr = &sigv4.Transport{
		Service: "s3", Region: "r", Clock: minutes,
		Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			ids++
			return creds(fmt.Sprint("AKID", ids)), nil
		}),
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			minutes.Add(time.Minute) // the cache may retrieve again
			if sent++; sent > 10 {
				t.Fatal("a storm")
			}
			return ststest.InProcess(skewed(minutes.Now(), 400, "ExpiredToken")).RoundTrip(r)
		}),
	}
	do(t, tr.RoundTrip, newRequest(t, "GET", "https://bucket.example/", nil))
	require.Equal(t, 2, sent)
	require.Equal(t, 2, ids)
}

// RequestExpired is a date or a token. The date comes first, and is corrected once.
func TestDateOrToken(t *testing.T) {
	for ahead, want := range map[time.Duration]string{0: "FIRST SECOND", time.Hour: "FIRST FIRST SECOND"} {
		s := newService(t, plain, nil, "FIRST", "SECOND")
		s.do = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", now.Add(ahead).UTC().Format(http.TimeFormat))
			rejects(400, "", `<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired.</Message></Error></Errors></Response>`, "FIRST")(w, r)
		}
		tr := s.transport()
		tr.Credentials = s.rotating()
		requireOK(t, tr.RoundTrip, newRequest(t, "POST", s.URL, strings.NewReader("Action=DescribeInstances")))
		require.Equal(t, want, s.ids())
		last := s.arrivals()[len(s.arrivals())-1].req.Header.Get("X-Amz-Date")
		at, err := time.Parse("20060102T150405Z", last)
		require.NoError(t, err)
		require.WithinDuration(t, now.Add(ahead), at, 2*time.Second)
	}
}

// Clocks of hosts that a user makes up do not fill the memory.
func TestManySkewedHosts(t *testing.T) {
	base := &counted{RoundTripper: ststest.InProcess(skewed(now.Add(time.Hour), 403, "RequestTimeTooSkewed"))}
	tr := &sigv4.Transport{Service: "s3", Region: "r", Clock: fixedClock(now), Credentials: stschain.Static("AKID", "secret", ""), Base: base}
	for i := range 1500 {
		do(t, tr.RoundTrip, newRequest(t, "GET", fmt.Sprintf("https://bucket-%d.example/", i), nil))
	}
	require.Equal(t, 3000, base.n)
	again := 0
	for i := range 1500 {
		before := base.n
		do(t, tr.RoundTrip, newRequest(t, "GET", fmt.Sprintf("https://bucket-%d.example/", i), nil))
		again += base.n - before - 1
	}
	require.GreaterOrEqual(t, again, 500)
}

// The clocks of 1,000 hosts are remembered, and not of more.
func TestMostSkewedHosts(t *testing.T) {
	for hosts, most := range map[int]int{1000: 1000, 1001: 999} {
		base := &counted{RoundTripper: ststest.InProcess(skewed(now.Add(time.Hour), 403, "RequestTimeTooSkewed"))}
		tr := &sigv4.Transport{Service: "s3", Region: "r", Clock: fixedClock(now), Credentials: stschain.Static("AKID", "secret", ""), Base: base}
		for i := range hosts {
			do(t, tr.RoundTrip, newRequest(t, "GET", fmt.Sprintf("https://bucket-%d.example/", i), nil))
		}
		require.Equal(t, 2*hosts, base.n)
		known := 0
		for i := range hosts {
			p, err := tr.Presign(newRequest(t, "GET", fmt.Sprintf("https://bucket-%d.example/", i), nil), time.Minute)
			require.NoError(t, err)
			if strings.Contains(p.URL.Reveal(), now.Add(time.Hour).Format("&X-Amz-Date=20060102T150405Z")) {
				known++
			}
		}
		require.LessOrEqual(t, known, most)
		require.True(t, hosts > 1000 || known == hosts)
	}
}

// A body that can be sent once is not sent again, and the next request has the
// right date.
func TestClockSkewOfABodyThatIsGone(t *testing.T) {
	var dates []string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		dates = append(dates, r.Header.Get("X-Amz-Date"))
		skewed(now.Add(time.Hour), 403, "RequestTimeTooSkewed")(w, r)
	}))
	defer s.Close()
	tr := &sigv4.Transport{
		Service: "execute-api", Region: "r", Clock: fixedClock(now), Base: s.Client().Transport, UnsignedPayload: true,
		Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return temporary, nil }),
	}
	for range 2 {
		do(t, tr.RoundTrip, newRequest(t, "PUT", s.URL, newStream("hello")))
	}
	require.Equal(t, []string{"20261121T120000Z", "20261121T130000Z"}, dates)
}
