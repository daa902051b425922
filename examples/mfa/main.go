// Mfa shows how one code of an MFA device serves a whole process: it creates a
// session, and many concurrent callers assume two roles that require MFA with
// that session.
//
//	go run ./examples/mfa
//
// It needs no AWS account: STS and the device are fakes in the same process.
// The last line and the exit code say whether everything worked.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const callers = 10 // of each role

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: two roles, twenty callers, one code")
}

func run(ctx context.Context) error {
	sts := ststest.New()
	defer sts.Close()
	device := sts.AddTOTP("alice")
	client := func(credentials stschain.Provider) *stsquery.Client {
		return &stsquery.Client{Credentials: credentials, Region: "eu-west-1", HTTPClient: sts.Client()}
	}

	// A program would read the code from a terminal here.
	var prompts atomic.Int32
	prompt := func(ctx context.Context, serial string) (stschain.Secret, error) {
		fmt.Printf("?  code of %s: ", serial)
		prompts.Add(1)
		select {
		case <-time.After(time.Second): // alice looks for her phone, and all callers wait
		case <-ctx.Done():
			return stschain.Secret{}, ctx.Err()
		}
		fmt.Println("******")
		return device.MFAToken(ctx, serial)
	}

	// The roles share this cache. Without it each would prompt for a code.
	session := stschain.Cached(&sessiontoken.Provider{
		Client:       client(sts.User()),
		Duration:     12 * time.Hour,
		SerialNumber: device.Serial,
		MFAToken:     prompt,
	})

	var all sync.WaitGroup
	failures := make(chan error, 2*callers)
	for _, name := range []string{"backup", "audit"} {
		role := &assumerole.Provider{Client: client(session), RoleARN: "arn:aws:iam::123456789012:role/" + name, SessionName: "alice"}
		sts.AddRole(ststest.Role{ARN: role.RoleARN, MFA: true}) // refuses callers without MFA
		who := client(role)
		for n := range callers {
			all.Go(func() {
				out, err := who.GetCallerIdentity(ctx)
				switch {
				case err != nil:
					failures <- err
				case n == 0:
					fmt.Println("   a caller is", out.ARN)
				}
			})
		}
	}
	all.Wait()
	close(failures)
	for err := range failures {
		return err
	}
	fmt.Printf("   %d callers are served; STS gave %d session and %d roles\n", 2*callers, sts.Count("GetSessionToken"), sts.Count("AssumeRole"))
	if n := prompts.Load(); n != 1 {
		return fmt.Errorf("%d prompts for alice", n)
	}

	// The user's keys alone cannot assume the role, and a session cannot get another session.
	_, err := (&assumerole.Provider{Client: client(sts.User()), RoleARN: "arn:aws:iam::123456789012:role/backup"}).Retrieve(ctx)
	if !errors.Is(err, stschain.ErrPermanent) {
		return fmt.Errorf("without MFA the role should be refused, and the result is: %w", err)
	}
	fmt.Println("   without MFA:", err)
	_, err = (&sessiontoken.Provider{Client: client(session)}).Retrieve(ctx)
	if !errors.Is(err, stschain.ErrPermanent) {
		return fmt.Errorf("a session for a session should be refused, and the result is: %w", err)
	}
	fmt.Println("   from a session:", err)
	return nil
}
