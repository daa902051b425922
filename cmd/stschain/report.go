package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
)

const explainHelp = `
It prints one line for each provider, in the order of the calls, indented below the one that needs
it: the result, the time it took, and the origin of the credentials. It never prompts. A provider
that hangs is abandoned after 10 s. It does not use the sessions that other commands keep.
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
	var text strings.Builder
	if c.json {
		printJSON(&text, x)
	} else {
		text.WriteString(x.String())
	}
	_, err := inFlags.WriteString(c.stdout, text.String())
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
It calls GetCallerIdentity of STS, which needs no permission, in the configured region.
`

func whoami(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, err := c.identity(ctx)
	if err != nil {
		return err
	}
	creds, err := id.Retrieve(ctx) // this error is more useful if a region is also missing
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
		return printJSON(c.stdout, struct {
			ARN         string    `json:"arn"`
			Account     string    `json:"account"`
			UserID      string    `json:"userId"`
			AccessKeyID string    `json:"accessKeyId"`
			Origin      string    `json:"origin"`
			Expires     time.Time `json:"expires,omitzero"`
		}{who.ARN, who.Account, who.UserID, creds.AccessKeyID, creds.Origin, creds.Expires.UTC()})
	}
	lines := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"arn", who.ARN}, {"account", who.Account}, {"user id", who.UserID},
		{"access key id", creds.AccessKeyID}, {"origin", creds.Origin}, {"expires", expiry(creds.Expires, time.Now())},
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
