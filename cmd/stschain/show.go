package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
)

const explainHelp = `
Each source is a line, in the order of asking, indented below the one that needs it: what came of
it, how long it took, and whose credentials it brought. Nobody is asked for an MFA code. Sources
that do not answer within 10 s are given up on.
`

func explain(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	chain := c.chain()
	var p stschain.Provider = chain
	var noClient error
	if c.roleARN != "" {
		var client *stsquery.Client
		if client, noClient = chain.Client(ctx); noClient == nil {
			p = &assumerole.Provider{Client: client, RoleARN: c.roleARN}
		}
	}
	x := stschain.Explain(ctx, p)
	var err error
	if c.json {
		err = c.printJSON(x)
	} else {
		_, err = fmt.Fprint(c.stdout, x)
	}
	switch {
	case err != nil:
		return err
	case noClient != nil && x.Outcome == stschain.Succeeded:
		return fmt.Errorf("%s cannot be assumed: %w", c.roleARN, noClient)
	case x.Outcome == stschain.Succeeded:
		return nil
	case x.Outcome == stschain.NotConfigured:
		return exitError(exitUnavailable)
	case x.Outcome == stschain.PromptRequired:
		return exitError(exitPrompt)
	}
	return exitError(exitFailed)
}

const whoamiHelp = `
STS is asked by GetCallerIdentity, which needs no permission, in the region that is set up.
`

func whoami(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, err := c.identity(ctx)
	if err != nil {
		return err
	}
	creds, err := id.Retrieve(ctx) // before there is talk of regions
	if err != nil {
		return err
	}
	client, err := id.client(ctx)
	if err != nil {
		return err
	}
	who, err := client.GetCallerIdentity(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", creds.Origin, err)
	}
	if c.json {
		return c.printJSON(struct {
			ARN         string    `json:"arn"`
			Account     string    `json:"account"`
			UserID      string    `json:"userId"`
			AccessKeyID string    `json:"accessKeyId"`
			Source      string    `json:"source"`
			Expires     time.Time `json:"expires,omitzero"`
		}{who.ARN, who.Account, who.UserID, creds.AccessKeyID, creds.Origin, creds.Expires.UTC()})
	}
	lines := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"arn", who.ARN}, {"account", who.Account}, {"user id", who.UserID},
		{"access key id", creds.AccessKeyID}, {"source", creds.Origin}, {"expires", expiry(creds.Expires, time.Now())},
	} {
		fmt.Fprintf(lines, "%s\t%s\n", line[0], printable(line[1]))
	}
	return lines.Flush()
}

func expiry(expires, now time.Time) string {
	if expires.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%s (in %v)", expires.UTC().Format(time.RFC3339), expires.Sub(now).Round(time.Second))
}
