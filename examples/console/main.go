// Console makes links that sign a browser in to the AWS console: one as a role, and
// one as a user of the program's own directory.
//
//	go run ./examples/console
//
// It needs no AWS account: STS, the console's sign-in endpoint and the browser are fakes in
// the same process. The last line and the exit code say whether everything worked.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: both links opened the console, once")
}

func run(ctx context.Context) error {
	sts := ststest.New()
	defer sts.Close()
	broker := &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()}

	support := &assumerole.Provider{Client: broker, RoleARN: "arn:aws:iam::123456789012:role/support", SessionName: "carol"}
	bob := &federation.Provider{
		Client: broker,
		Name:   "bob",
		// Without a policy bob could open the console, but see nothing in it.
		PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
		Duration:   time.Hour,
	}
	for _, signIn := range []*federation.SignIn{
		// A session of the console may outlive that of a role.
		{Credentials: support, Region: "eu-west-1", Destination: "/s3/buckets", Duration: 8 * time.Hour},
		// The session of a federated user already has a duration, which cannot be changed.
		{Credentials: bob, Region: "eu-west-1", Issuer: "https://broker.example/"},
	} {
		signIn.HTTPClient = sts.Client() // leave it out to call AWS
		link, err := signIn.SignInURL(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%v\n", signIn.Credentials)
		fmt.Printf("  link   %v, good for %v\n", link.URL, time.Until(link.Expires).Round(time.Minute))

		page, status, err := open(sts, link.URL)
		if err != nil {
			return err
		}
		fmt.Printf("  opened %d, and the console shows %s\n", status, page)
		if status != http.StatusFound {
			return fmt.Errorf("the link returned %d", status)
		}
		_, status, err = open(sts, link.URL)
		if err != nil {
			return err
		}
		fmt.Printf("  again  %d: it works once\n", status)
		if status == http.StatusFound {
			return fmt.Errorf("the link worked twice")
		}
	}

	// Credentials that the console does not accept are refused before a request is sent.
	_, err := (&federation.SignIn{Credentials: sts.User(), HTTPClient: sts.Client()}).SignInURL(ctx)
	if err == nil {
		return fmt.Errorf("long-lived keys made a link")
	}
	fmt.Println(err)
	return nil
}

// open does what a browser does with a link. It returns the page that the console redirects to.
func open(sts *ststest.Server, link stschain.Secret) (page string, status int, err error) {
	browser := sts.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := browser.Get(link.Reveal())
	if err != nil {
		return "", 0, fmt.Errorf("the browser got no response") // the error would show the link
	}
	resp.Body.Close()
	return resp.Header.Get("Location"), resp.StatusCode, nil
}
