// Executeapi calls an API behind Amazon API Gateway, whose method uses IAM authorization,
// with the credentials of a role.
//
//	go run ./examples/executeapi
//
// It needs no AWS account: STS and the API are fakes in the same process. With AWS:
//
//	go run ./examples/executeapi -region eu-west-1 \
//		-url https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod/orders \
//		-role-arn arn:aws:iam::123456789012:role/orders
//
// Lambda function URLs are called in the same way, with the service "lambda", and
// AppSync with "appsync". The last line and the exit code say whether everything worked.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func main() {
	region := flag.String("region", "eu-west-1", "the `region` of the API")
	url := flag.String("url", "", "what to POST an order to, a `URL`; without any flag, a fake API is used")
	roleARN := flag.String("role-arn", "", "the role to assume, an `ARN`")
	flag.Parse()
	if (*url == "" || *roleARN == "") && flag.NFlag()+flag.NArg() > 0 {
		fmt.Println("FAILED: -url and -role-arn are needed")
		os.Exit(2)
	}

	sts := &stsquery.Client{Credentials: &source.Default{Region: *region}, Region: *region}
	var base http.RoundTripper // nil: http.DefaultTransport
	if *url == "" {
		fake := ststest.New()
		sts.Credentials, sts.HTTPClient = fake.User(), fake.Client()
		base = ststest.InProcess(fake.Protect("execute-api", *region, http.HandlerFunc(fakeAPI)))
	}
	api := &http.Client{
		Transport: &sigv4.Transport{
			Service:     "execute-api",
			Region:      *region,
			Credentials: &assumerole.Provider{Client: sts, RoleARN: cmp.Or(*roleARN, "arn:aws:iam::123456789012:role/orders")},
			Base:        base,
		},
		Timeout: 30 * time.Second,
	}
	if err := run(context.Background(), api, cmp.Or(*url, "https://api.example/prod/orders"), base); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: signed orders are taken, and others are not")
}

func run(ctx context.Context, api *http.Client, url string, base http.RoundTripper) error {
	for n := 1; n <= 3; n++ {
		body, status, err := post(ctx, api, url, map[string]any{"article": "A-17", "number": n})
		if err != nil {
			return err
		}
		fmt.Printf("order of %d: %d %s\n", n, status, body)
		if status >= 300 {
			return fmt.Errorf("the API returned %d", status)
		}
	}
	_, status, err := post(ctx, &http.Client{Transport: base}, url, map[string]any{"article": "A-17"})
	if err != nil {
		return err
	}
	fmt.Printf("not signed: %d\n", status)
	if status != http.StatusForbidden {
		return fmt.Errorf("the API accepts unsigned orders")
	}
	return nil
}

func post(ctx context.Context, client *http.Client, url string, order any) (reply []byte, status int, err error) {
	body, err := json.Marshal(order)
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	reply, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return bytes.TrimSpace(reply), resp.StatusCode, err
}

func fakeAPI(w http.ResponseWriter, r *http.Request) {
	var order struct{ Number int }
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	caller, _ := ststest.CallerFrom(r.Context())
	json.NewEncoder(w).Encode(map[string]any{"taken": order.Number, "from": caller.ARN})
}
