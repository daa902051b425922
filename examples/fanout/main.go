// Fanout does a job in many accounts: one role in each, all assumed from one base, a
// few at a time. A failure in one account does not stop the others, and a second round
// uses the credentials of the first.
//
//	go run ./examples/fanout
//
// It needs no AWS account: STS and the service are fakes in the same process.
// With AWS the job is to call GetCallerIdentity in each of the given accounts:
//
//	go run ./examples/fanout -role audit -region eu-west-1 111111111111 222222222222
//
// The last line and the exit code say whether everything worked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const workers = 4

func main() {
	role := flag.String("role", "audit", "the `name` of the role in each account")
	region := flag.String("region", "eu-west-1", "the `region` of STS")
	flag.Parse()

	ctx := context.Background()
	var err error
	switch accounts := flag.Args(); {
	case len(accounts) > 0:
		f := newFleet(&stsquery.Client{Credentials: &source.Default{Region: *region}, Region: *region}, *role)
		err = errors.Join(f.each(ctx, accounts, f.whoAmI)...)
	case flag.NFlag() > 0:
		err = errors.New("accounts are needed")
	default:
		err = demonstrate(ctx)
	}
	if err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: each account had its turn")
}

// fleet has a role in each account, all over one base, whose credentials they share: the base is cached
// by its client.
type fleet struct {
	base  *stsquery.Client
	roles stschain.Pool[string] // by account
}

func newFleet(base *stsquery.Client, role string) *fleet {
	return &fleet{base: base, roles: stschain.Pool[string]{New: func(account string) (stschain.Provider, error) {
		return &assumerole.Provider{Client: base, RoleARN: "arn:aws:iam::" + account + ":role/" + role}, nil
	}}}
}

// each runs job for every account, a few at a time, and returns the errors, which name the account.
func (f *fleet) each(ctx context.Context, accounts []string, job func(ctx context.Context, account string, p stschain.Provider) error) []error {
	errs := make([]error, len(accounts))
	next := make(chan int)
	var pool sync.WaitGroup
	for range min(workers, len(accounts)) {
		pool.Go(func() {
			for i := range next {
				if err := job(ctx, accounts[i], f.roles.Provider(accounts[i])); err != nil {
					errs[i] = fmt.Errorf("account %s: %w", accounts[i], err)
				}
			}
		})
	}
	for i := range accounts {
		if ctx.Err() != nil {
			errs[i] = fmt.Errorf("account %s: not begun: %w", accounts[i], ctx.Err())
			continue
		}
		next <- i
	}
	close(next)
	pool.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// whoAmI is the job. Another one would pass the provider to a sigv4.Transport.
func (f *fleet) whoAmI(ctx context.Context, account string, p stschain.Provider) error {
	client := &stsquery.Client{Credentials: p, Region: f.base.Region, HTTPClient: f.base.HTTPClient}
	who, err := client.GetCallerIdentity(ctx)
	if err != nil {
		return err
	}
	if who.Account != account {
		return fmt.Errorf("we are in account %s", who.Account)
	}
	fmt.Println(" ", who.ARN)
	return nil
}

func demonstrate(ctx context.Context) error {
	sts := ststest.New()
	defer sts.Close()
	sts.DenyUndeclared = true
	const closed = "000000000007"
	var accounts []string
	for n := range 12 {
		account := fmt.Sprintf("%012d", n+1)
		accounts = append(accounts, account)
		if account != closed {
			sts.AddRole(ststest.Role{ARN: "arn:aws:iam::" + account + ":role/audit"})
		}
	}
	f := newFleet(&stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()}, "audit")
	for round := 1; round <= 2; round++ {
		fmt.Println("round", round)
		errs := f.each(ctx, accounts, f.whoAmI)
		for _, err := range errs {
			fmt.Println("  failed:", err)
		}
		switch {
		case len(errs) != 1 || !strings.Contains(errs[0].Error(), closed):
			return fmt.Errorf("one account denies the role, and %d failed", len(errs))
		case !errors.Is(errs[0], stschain.ErrPermanent):
			return errors.New("a denial is permanent")
		}
	}
	fmt.Printf("%d calls of AssumeRole\n", sts.Count("AssumeRole"))
	for account, cache := range f.roles.All() {
		if attempts := cache.Status().Attempts; attempts != 1 {
			return fmt.Errorf("account %s: %d attempts", account, attempts)
		}
	}
	return nil
}
