package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/source/profile"
)

const consoleHelp = `
It prints a link that signs a browser in to the AWS console with the credentials. They must be those
of a role. The link is a secret: it signs in the first browser that opens it, for 15 minutes.

  stschain console -profile dev -open
  stschain console -role-arn arn:aws:iam::123456789012:role/admin -destination /s3 -duration 2h

-duration is for roles that long-lived keys, SAML or a web identity assumed. With -open the link is
opened instead of printed; until the browser has it, other users of this machine can see it in the
list of processes.
`

func console(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	browser := c.browser()
	if c.openPage && browser == nil {
		return errors.New("there is no browser on this machine to open: set BROWSER, or open the link that it prints without -open")
	}
	id, err := c.identity(ctx)
	if err != nil {
		return err
	}
	if _, err := id.Retrieve(ctx); err != nil {
		return err
	}
	s := &federation.SignIn{Credentials: id.Cache, Region: c.configuredRegion(ctx), Destination: c.destination, Duration: c.duration}
	endpoint, err := id.chain.Endpoint(ctx, "signin")
	if err != nil {
		return err
	}
	if endpoint != "" {
		s.Endpoint = strings.TrimSuffix(endpoint, "/") + "/federation"
	}
	link, err := s.SignInURL(ctx)
	if err != nil {
		return err
	}
	if c.openPage {
		c.open(browser, link.URL.Reveal())
		fmt.Fprintf(c.stderr, "opened the console with the credentials of %s\n", printable(id.Status().Origin))
		return nil
	}
	if c.json {
		return printJSON(c.stdout, struct {
			URL     string    `json:"url"`
			Expires time.Time `json:"expires"`
		}{link.URL.Reveal(), link.Expires.UTC()})
	}
	_, err = fmt.Fprintln(c.stdout, link.URL.Reveal())
	return err
}

// configuredRegion returns the region of the flag, the environment or the profile; "": none is configured.
func (c *call) configuredRegion(ctx context.Context) string {
	settings, err := (&profile.Provider{Profile: c.profile, Region: c.region, AllowHTTP: true, LookupEnv: c.lookupEnv}).Client(ctx, nil)
	if err != nil {
		return ""
	}
	return settings.Region
}
