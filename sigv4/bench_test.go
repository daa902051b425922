package sigv4_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

var temporary = stschain.Credentials{
	AccessKeyID:     "ASIAIOSFODNN7EXAMPLE",
	SecretAccessKey: stschain.NewSecret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
	SessionToken:    stschain.NewSecret(strings.Repeat("IQoJb3JpZ2luX2VjE", 40)),
}

func stsPost(t testing.TB) *http.Request {
	body := "Action=GetCallerIdentity&Version=2011-06-15"
	req, err := http.NewRequest("POST", "https://sts.eu-west-1.amazonaws.com/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("User-Agent", "bench")
	return req
}

func BenchmarkSign(b *testing.B) {
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	req := stsPost(b)
	hash := sigv4.PayloadHash([]byte("Action=GetCallerIdentity&Version=2011-06-15"))
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sign(req, hash, temporary, at); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPresign(b *testing.B) {
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	req, err := http.NewRequest("GET", "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		b.Fatal(err)
	}
	hash := sigv4.PayloadHash(nil)
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Presign(req, hash, temporary, at, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

// discard answers every request, after reading it.
type discard struct{}

func (discard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
}

// BenchmarkTransport is the cost of signing over that of the plain request.
func BenchmarkTransport(b *testing.B) {
	body := make([]byte, 1000)
	for name, rt := range map[string]http.RoundTripper{
		"plain": discard{},
		"signed": &sigv4.Transport{
			Service: "execute-api", Region: "eu-west-1", Base: discard{},
			Credentials: stschain.Static(temporary.AccessKeyID, temporary.SecretAccessKey.Reveal(), temporary.SessionToken.Reveal()),
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequest("POST", "https://api.example.com/v1/things?x=1", bytes.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				if _, err := rt.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTransportAllocations(t *testing.T) {
	body := make([]byte, 1000)
	count := func(rt http.RoundTripper) float64 {
		return testing.AllocsPerRun(100, func() {
			req, _ := http.NewRequest("POST", "https://api.example.com/v1/things?x=1", bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			if _, err := rt.RoundTrip(req); err != nil {
				t.Error(err)
			}
		})
	}
	signed := &sigv4.Transport{
		Service: "execute-api", Region: "eu-west-1", Base: discard{},
		Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return temporary, nil }),
	}
	require.LessOrEqual(t, count(signed)-count(discard{}), 12.0)
}
