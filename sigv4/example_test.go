package sigv4_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

func ExampleTransport() {
	// A service that requests must be signed for.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		fmt.Println(r.Method, r.URL.Path, "is signed with", scheme)
	}))
	defer server.Close()

	client := &http.Client{Transport: &sigv4.Transport{
		Service:     "execute-api",
		Region:      "eu-west-1",
		Credentials: stschain.Static("AKIDEXAMPLE", "from-a-safe-place", ""), // or a chain, or a role
	}}
	resp, err := client.Post(server.URL+"/orders", "application/json", strings.NewReader(`{"n":1}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// POST /orders is signed with AWS4-HMAC-SHA256
	// 200 OK
}

// One client for two services. The hosts are named, since what is a service and
// what a region does not follow from a host.
func ExampleTransport_scope() {
	transport := &sigv4.Transport{
		Credentials: stschain.Static("AKIDEXAMPLE", "from-a-safe-place", ""),
		Scope: func(req *http.Request) (sigv4.Scope, error) {
			switch host := req.URL.Hostname(); {
			case strings.HasSuffix(host, ".s3.eu-west-1.amazonaws.com"):
				return sigv4.Scope{Service: "s3", Region: "eu-west-1"}, nil
			case host == "api.example.com":
				return sigv4.Scope{Service: "execute-api", Region: "us-east-1"}, nil
			}
			return sigv4.Scope{}, errors.New("not a service of this program")
		},
	}
	for _, url := range []string{
		"https://reports.s3.eu-west-1.amazonaws.com/latest",
		"https://api.example.com/orders",
		"https://www.example.com/",
	} {
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := transport.SignRequest(req); err != nil { // an http.Client would send it, too
			fmt.Println(err)
			continue
		}
		_, scope, _ := strings.Cut(req.Header.Get("Authorization"), "/")
		scope, _, _ = strings.Cut(scope, ",")
		_, scope, _ = strings.Cut(scope, "/")
		fmt.Println(scope)
	}
	// Output:
	// eu-west-1/s3/aws4_request
	// us-east-1/execute-api/aws4_request
	// sigv4: no scope for host "www.example.com": not a service of this program
}

// A client that sends requests itself, and calls a hook before each attempt.
func ExampleTransport_SignRequest() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		fmt.Printf("%s %s, signed with %s\n", r.Method, body, scheme)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	transport := &sigv4.Transport{
		Service:     "execute-api",
		Region:      "eu-west-1",
		Credentials: stschain.Static("AKIDEXAMPLE", "from-a-safe-place", ""),
	}
	var beforeEachAttempt func(*http.Request) error = transport.SignRequest

	req, err := http.NewRequest("POST", server.URL, strings.NewReader("hello"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		if err := beforeEachAttempt(req); err != nil {
			fmt.Println(err)
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Status, transport.InvalidateRejected(resp))
		resp.Body.Close()
	}
	// Output:
	// POST hello, signed with AWS4-HMAC-SHA256
	// 503 Service Unavailable false
	// POST hello, signed with AWS4-HMAC-SHA256
	// 503 Service Unavailable false
}

// A link to one object, for a minute, with the credentials of a Transport.
func ExampleTransport_Presign() {
	transport := &sigv4.Transport{
		Service:     "s3",
		Region:      "eu-west-1",
		Credentials: stschain.Static("AKIDEXAMPLE", "from-a-safe-place", ""),
	}
	req, err := http.NewRequest("GET", "https://reports.s3.eu-west-1.amazonaws.com/2026.pdf", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	link, err := transport.Presign(req, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	target, _, _ := strings.Cut(link.URL.Reveal(), "?")
	fmt.Println(target, time.Until(link.Expires) <= time.Minute)
	// Output:
	// https://reports.s3.eu-west-1.amazonaws.com/2026.pdf true
}

// A request that is signed here and sent elsewhere.
func ExampleSigner_Sign() {
	creds, err := stschain.Static("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "").Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	body := "Action=GetCallerIdentity&Version=2011-06-15"
	req, err := http.NewRequest("POST", "https://sts.eu-west-1.amazonaws.com/", strings.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	signer := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // time.Now(), in a program
	if err := signer.Sign(req, sigv4.PayloadHash([]byte(body)), creds, at); err != nil {
		fmt.Println(err)
		return
	}
	for part := range strings.SplitSeq(req.Header.Get("Authorization"), ", ") {
		fmt.Println(part)
	}
	// Output:
	// AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/sts/aws4_request
	// SignedHeaders=content-type;host;x-amz-date
	// Signature=f29d4c270f8820b8bd7732f0b8c73a0acd45fbf8ba74d2c9aab0aa109c29cb9a
}

// A URL with which anyone can read one object for an hour.
func ExampleSigner_Presign() {
	creds, err := stschain.Static("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "").Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := http.NewRequest("GET", "https://bucket.s3.eu-west-1.amazonaws.com/report 2026.pdf", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	signer := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // time.Now(), in a program
	link, headers, err := signer.Presign(req, sigv4.UnsignedPayload, creds, at, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("does not print:", link)
	target, query, _ := strings.Cut(link.Reveal(), "?")
	fmt.Println(target)
	for pair := range strings.SplitSeq(query, "&") {
		fmt.Println(" ", pair)
	}
	fmt.Println("to be sent with it:", headers)
	// Output:
	// does not print: [redacted]
	// https://bucket.s3.eu-west-1.amazonaws.com/report%202026.pdf
	//   X-Amz-Algorithm=AWS4-HMAC-SHA256
	//   X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Feu-west-1%2Fs3%2Faws4_request
	//   X-Amz-Date=20261121T120000Z
	//   X-Amz-SignedHeaders=host
	//   X-Amz-Expires=3600
	//   X-Amz-Signature=c49a4bc001cc34b3a9e1108616cf82b45c7563d67956aa53ae0499f8cb29cbd1
	// to be sent with it: map[Host:[bucket.s3.eu-west-1.amazonaws.com]]
}

// A multi-region access point of S3 accepts signatures for all regions.
func ExampleRegions() {
	transport := &sigv4.Transport{
		Credentials: stschain.Static("AKIDEXAMPLE", "from-a-safe-place", ""),
		Scope: func(req *http.Request) (sigv4.Scope, error) {
			if strings.HasSuffix(req.URL.Hostname(), ".accesspoint.s3-global.amazonaws.com") {
				return sigv4.Scope{Service: "s3", RegionSet: sigv4.Regions("*")}, nil
			}
			return sigv4.Scope{}, errors.New("not a service of this program")
		},
	}
	req, err := http.NewRequest("GET", "https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com/report", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := transport.SignRequest(req); err != nil {
		fmt.Println(err)
		return
	}
	algorithm, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	fmt.Println(algorithm, "for", req.Header.Get("X-Amz-Region-Set"))
	// Output: AWS4-ECDSA-P256-SHA256 for *
}
