package sigv4_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

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

// discard reads every request, and responds 200.
type discard struct{}

func (discard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
}

func TestTransportAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("with it a sync.Pool loses what it was given")
	}
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
	require.LessOrEqual(t, count(signed)-count(discard{}), 8.0)
}
