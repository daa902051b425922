// Services has one http.Client for several AWS services: a function picks the service
// and the region that a request is signed for. One set of credentials serves them all.
//
//	go run ./examples/services
//
// It needs nothing: STS and the services are fakes in the same process. On the real
// thing, a GET at each of some URLs, which the table in the program must know:
//
//	go run ./examples/services https://my-bucket.s3.eu-west-1.amazonaws.com/ \
//		'https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15'
//
// The last line and the exit code say whether all went well.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// table is what this program talks to. A host does not tell its service and region in
// general (aliases, custom domains, s3-accelerate, sts.amazonaws.com), so a program
// says what it knows, and what it does not know is not signed. With a dot before it, a
// host stands for all below it.
var table = []struct {
	host  string
	scope sigv4.Scope
}{
	{".s3.eu-west-1.amazonaws.com", sigv4.Scope{Service: "s3", Region: "eu-west-1"}},
	{".execute-api.eu-west-1.amazonaws.com", sigv4.Scope{Service: "execute-api", Region: "eu-west-1"}},
	{".eu-central-1.es.amazonaws.com", sigv4.Scope{Service: "es", Region: "eu-central-1"}},
	{"sts.us-east-1.amazonaws.com", sigv4.Scope{Service: "sts", Region: "us-east-1"}},
	{"api.example.com", sigv4.Scope{Service: "execute-api", Region: "us-east-1"}}, // a custom domain
}

func scope(req *http.Request) (sigv4.Scope, error) {
	for _, t := range table {
		host := req.URL.Hostname()
		if host == t.host || strings.HasPrefix(t.host, ".") && strings.HasSuffix(host, t.host) {
			return t.scope, nil
		}
	}
	return sigv4.Scope{}, errors.New("not in the table")
}

func main() {
	var err error
	flag.Parse() // there are none, but -h
	if urls := flag.Args(); len(urls) > 0 {
		client := &http.Client{Transport: &sigv4.Transport{Scope: scope, Credentials: &source.Default{}}, Timeout: 30 * time.Second}
		err = getAll(client, urls)
	} else {
		err = demonstrate()
	}
	if err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: each service took what was signed for it")
}

func getAll(client *http.Client, urls []string) error {
	for _, url := range urls {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		resp.Body.Close()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n  %s %s\n", url, resp.Status, body)
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
	}
	return nil
}

func demonstrate() error {
	sts := ststest.New()
	defer sts.Close()
	var role stschain.Provider = &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()},
		RoleARN: "arn:aws:iam::123456789012:role/reporter",
	}
	hosts := http.NewServeMux()
	for host, t := range map[string]struct{ service, region string }{
		"reports.s3.eu-west-1.amazonaws.com":           {"s3", "eu-west-1"},
		"a1b2c3.execute-api.eu-west-1.amazonaws.com":   {"execute-api", "eu-west-1"},
		"search-logs-d4.eu-central-1.es.amazonaws.com": {"es", "eu-central-1"},
		"api.example.com":                              {"execute-api", "us-east-1"},
	} {
		hosts.Handle(host+"/", sts.Protect(t.service, t.region, nil)) // returns the ARN of the caller
	}
	client := &http.Client{Transport: &sigv4.Transport{Scope: scope, Credentials: role, Base: ststest.InProcess(hosts)}}
	err := getAll(client, []string{
		"https://reports.s3.eu-west-1.amazonaws.com/2026/november",
		"https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod/orders",
		"https://search-logs-d4.eu-central-1.es.amazonaws.com/_cat/indices",
		"https://api.example.com/orders",
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d call to STS\n", sts.Count("AssumeRole"))

	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://www.example.org/", nil)
	if err != nil {
		return err
	}
	if _, err = client.Do(req); err == nil {
		return errors.New("a request to an unknown host was signed")
	}
	fmt.Println(err)
	return nil
}
