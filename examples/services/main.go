// Services uses one http.Client for several AWS services: a function selects
// the service and the region that a request is signed for. All share one set of
// credentials.
//
//	go run ./examples/services
//
// It needs no AWS account: STS and the services are fakes in the same process.
// With AWS it sends a GET to each of the given URLs, whose hosts must be in the
// table of the program:
//
//	go run ./examples/services https://my-bucket.s3.eu-west-1.amazonaws.com/ \
//		'https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15'
//
// The last line and the exit code say whether everything worked.
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

// table has the hosts that this program calls. In general a host name does not
// determine service and region (aliases, custom domains, s3-accelerate,
// sts.amazonaws.com), so a program lists the hosts that it knows, and requests
// to others are not signed. A leading dot matches all subdomains.
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
	flag.Parse() // only -h is supported
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
