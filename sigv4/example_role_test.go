package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// A link that is valid for at least an hour, with the credentials of a role. A URL expires with the session that signed it, so the
// cache first gets one that is valid long enough.
func ExampleTransport_Presign_role() {
	fake := ststest.New() // AWS, for this example
	creds := &stschain.Cache{Provider: &assumerole.Provider{
		Client:   &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()},
		RoleARN:  "arn:aws:iam::123456789012:role/reports",
		Duration: 2 * time.Hour,
	}}
	transport := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds}

	if _, err := creds.RetrieveFor(context.Background(), time.Hour+time.Minute); err != nil {
		fmt.Println(err)
		return
	}
	req, err := http.NewRequest(http.MethodGet, "https://reports.s3.eu-west-1.amazonaws.com/2026.pdf", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	link, err := transport.Presign(req, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(time.Until(link.Expires).Round(time.Minute))

	bucket := &http.Client{Transport: ststest.InProcess(fake.Protect("s3", "eu-west-1", nil))}
	resp, err := bucket.Get(link.URL.Reveal()) // by anyone who has the link
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// 1h0m0s
	// 200 OK
}

// fastRequest is a request of a client that does not use net/http, such as fasthttp.
type fastRequest struct {
	method, host, uri string
	header            map[string]string
	body              []byte
}

// A client without *http.Request: an http.Request is made of what is signed, and its headers are copied back.
func ExampleSigner_Sign_otherClient() {
	fake := ststest.New() // AWS, for this example
	creds := stschain.Cached(fake.User())
	signer := &sigv4.Signer{Service: "execute-api", Region: "eu-west-1"} // one for many requests
	sign := func(ctx context.Context, r *fastRequest) error {
		c, err := creds.Retrieve(ctx) // for each request
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, r.method, "https://"+r.host+r.uri, nil)
		if err != nil {
			return err
		}
		for name, value := range r.header {
			req.Header.Set(name, value)
		}
		if err := signer.Sign(req, sigv4.PayloadHash(r.body), c, time.Now()); err != nil {
			return err
		}
		for name := range req.Header {
			r.header[name] = req.Header.Get(name)
		}
		r.host, r.uri = req.Host, req.URL.RequestURI() // normalized, as they were signed
		return nil
	}

	order := &fastRequest{"POST", "api.example.com:443", "/orders?q=a+b", map[string]string{"Content-Type": "application/json"}, []byte(`{"n":1}`)}
	if err := sign(context.Background(), order); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(order.host, order.uri)
	resp, err := order.send(fake.Protect("execute-api", "eu-west-1", nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// api.example.com /orders?q=a%20b
	// 200 OK
}

// send writes the request as that client would.
func (r *fastRequest) send(service http.Handler) (*http.Response, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.method, r.uri, r.host, len(r.body))
	for name, value := range r.header {
		fmt.Fprintf(&text, "%s: %s\r\n", name, value)
	}
	fmt.Fprintf(&text, "\r\n%s", r.body)
	req, err := http.ReadRequest(bufio.NewReader(&text))
	if err != nil {
		return nil, err
	}
	req.URL.Scheme, req.URL.Host, req.RequestURI = "https", req.Host, ""
	return ststest.InProcess(service).RoundTrip(req)
}
