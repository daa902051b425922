// Rolechain assumes a chain of three roles in three accounts, and uses it for
// four hours. Each hop is cached, so each costs one call of STS per lifetime: a
// refresh of the last role does not refresh the others.
//
//	go run ./examples/rolechain
//
// It needs no AWS account: STS is a fake in the same process, and the hours
// pass in a second. The last line and the exit code say whether everything
// worked.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const (
	duration = 4 * time.Hour
	step     = time.Minute
)

// hop is a role, and how long its sessions are valid: in STS at most twelve
// hours, and one hour for a role that is assumed by a role.
type hop struct {
	name     string
	arn      string
	region   string
	lifetime time.Duration
	cache    *stschain.Cache
}

func main() {
	if err := run(); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: one call of STS per hop and lifetime")
}

func run() error {
	watch := clock.NewMock()
	watch.Set(time.Now().Truncate(time.Second))
	start := watch.Now()
	at := func(t time.Time) string { return time.Time{}.Add(t.Sub(start)).Format("15:04") }

	sts := ststest.New()
	defer sts.Close()
	sts.Clock = watch
	sts.DenyUndeclared = true
	user := sts.AddUser("arn:aws:iam::111111111111:user/deploy")

	hops := []*hop{
		{name: "hub", arn: "arn:aws:iam::111111111111:role/hub", region: "eu-west-1", lifetime: 12 * time.Hour},
		{name: "stage", arn: "arn:aws:iam::222222222222:role/stage", region: "eu-central-1", lifetime: time.Hour},
		{name: "backup", arn: "arn:aws:iam::333333333333:role/backup", region: "us-east-1", lifetime: time.Hour},
	}
	var base stschain.Provider = user
	trusted := user.ARN
	for _, h := range hops {
		sts.AddRole(ststest.Role{ARN: h.arn, Trusted: []string{trusted}}) // each trusts only the previous one
		// The cache is explicit for its events; the next client would make one itself.
		h.cache = &stschain.Cache{
			Clock: watch,
			Provider: &assumerole.Provider{
				Client:      &stsquery.Client{Credentials: base, Region: h.region, HTTPClient: sts.Client(), Clock: watch},
				RoleARN:     h.arn,
				SessionName: "nightly",
				Duration:    h.lifetime,
			},
			OnEvent: func(e stschain.Event) {
				switch e.Kind {
				case stschain.Refreshed:
					fmt.Printf("%s  %-6s  new session, good until %s\n", at(e.Time), h.name, at(e.Expires))
				case stschain.RefreshFailed:
					fmt.Printf("%s  %-6s  failed: %v\n", at(e.Time), h.name, e.Err)
				}
			},
		}
		base, trusted = h.cache, h.arn
	}

	target := hops[len(hops)-1].cache
	who, err := (&stsquery.Client{Credentials: target, Region: "us-east-1", HTTPClient: sts.Client(), Clock: watch}).
		GetCallerIdentity(context.Background())
	if err != nil {
		return err
	}
	fmt.Printf("%s  STS returned %s\n", at(watch.Now()), who.ARN)

	used := 0
	for ; watch.Now().Sub(start) < duration; watch.Add(step) {
		if _, err := target.Retrieve(context.Background()); err != nil {
			return err
		}
		used++
		time.Sleep(3 * time.Millisecond) // for background refreshes
	}

	fmt.Printf("\nin %v the credentials of the last role were used %d times\n", duration, used)
	for _, h := range hops {
		calls := calls(sts, h.arn)
		// A session is renewed when its advisory window begins, which jitter may widen
		// by a quarter.
		window := h.cache.Status().AdvisoryWindow
		most := 1 + int(duration/(h.lifetime-window-window/4))
		fmt.Printf("%-6s  lives %v, is renewed %v before its end: called STS %d times\n", h.name, h.lifetime, window, calls)
		if calls == 0 || calls > most {
			return fmt.Errorf("%s cost %d calls, and at most %d were due", h.name, calls, most)
		}
	}
	return nil
}

// calls counts how often a role was assumed.
func calls(sts *ststest.Server, role string) (n int) {
	for _, c := range sts.Calls() {
		if c.Form.Get("RoleArn") == role {
			n++
		}
	}
	return n
}
