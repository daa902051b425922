//go:build unix

package processfault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

// Programs that use credentials all the time, and write what comes of it.

// teller writes each line once.
type teller struct {
	mu   sync.Mutex
	said map[string]bool
}

func (t *teller) say(format string, args ...any) {
	line := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.said[line] {
		fmt.Println(line)
	}
	t.said[line] = true
}

// users calls use all the time, from several goroutines, until the test is over.
func users(use func(say func(format string, args ...any))) error {
	out := teller{said: map[string]bool{}}
	for range 4 {
		go func() {
			for range time.Tick(10 * time.Millisecond) {
				use(out.say)
			}
		}()
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// Windows for credentials that live for a second or two.
const (
	advisory    = 300 * time.Millisecond
	mandatory   = 50 * time.Millisecond
	shortLife   = time.Second // of the credentials of source
	longerLife  = 2 * time.Second
	region      = "eu-west-1"
	accessKey   = "AKIASTOPPED"
	secret      = "secret"
	userARN     = "arn:aws:iam::123456789012:user/ada"
	roleARN     = "arn:aws:iam::123456789012:role/backup"
	serviceName = "execute-api"
)

// cache is the program that holds credentials of a source behind a socket. It says "using
// ASIA1", or what went wrong: credentials had expired before the call, or an error.
func cache(o order) error {
	cache := &stschain.Cache{
		AdvisoryWindow: advisory, MandatoryWindow: mandatory, Timeout: o.Patience,
		Provider: stschain.ProviderFunc(func(ctx context.Context) (c stschain.Credentials, err error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Endpoint, nil)
			if err != nil {
				return c, err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return c, err
			}
			defer resp.Body.Close()
			var given struct {
				Key     string
				Expires time.Time
			}
			err = json.NewDecoder(resp.Body).Decode(&given)
			return stschain.Credentials{
				AccessKeyID: given.Key, SecretAccessKey: stschain.NewSecret(secret), Expires: given.Expires,
			}, err
		}),
	}
	return users(func(say func(string, ...any)) {
		called := time.Now().Round(0) // by the wall clock
		creds, err := cache.Retrieve(context.Background())
		switch {
		case err != nil:
			say("error: %v", err)
		case creds.ExpiredAt(called):
			say("expired: %s, %v before the call", creds.AccessKeyID, called.Sub(creds.Expires))
		default:
			say("using %s", creds.AccessKeyID)
		}
	})
}

// transport is the program that sends requests, signed with a role's credentials. It says
// "using ASIA..." by what the service says, or its other response.
func transport(o order) error {
	role := &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: stschain.Static(accessKey, secret, ""), Region: region, Endpoint: o.Endpoint},
		RoleARN: roleARN,
	}
	client := &http.Client{Transport: &sigv4.Transport{
		Service: serviceName, Region: region,
		Credentials: &stschain.Cache{Provider: role, AdvisoryWindow: advisory, MandatoryWindow: mandatory},
	}}
	return users(func(say func(string, ...any)) {
		resp, err := client.Post(o.API, "text/plain", strings.NewReader("hello"))
		if err != nil {
			say("error: %v", err)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			say("response %s: %s, %v", resp.Status, body, err)
			return
		}
		say("using %s", body)
	})
}
