package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/webidentity"
)

const profilesHelp = `
The kind is role, web identity, sso, login, process, keys, or settings for a profile without
credentials. The region is that of the profile; AWS_REGION takes precedence over it.

It reads the files only: it calls no server, runs no process, and does not say whether the
credentials work. explain does.
`

// listed is a profile in the list.
type listed struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Role    string `json:"role,omitempty"`
	Region  string `json:"region,omitempty"`
	From    string `json:"from,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func profiles(ctx context.Context, c *call) error {
	names, err := (&profile.Provider{LookupEnv: c.lookupEnv}).Names(ctx)
	if err != nil {
		return err
	}
	if c.names {
		for _, name := range names {
			if _, err := fmt.Fprintln(c.stdout, printable(name)); err != nil {
				return err
			}
		}
		return nil
	}
	list := []listed{}
	for _, name := range names {
		list = append(list, c.look(ctx, name))
	}
	list = c.addUnlisted(list)
	if c.json {
		return printJSON(c.stdout, list)
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tKIND\tROLE\tREGION\tFROM\tPROBLEM")
	for _, p := range list {
		row := []string{p.Name, p.Kind, p.Role, p.Region, p.From, p.Problem}
		for i, cell := range row {
			if row[i] = printable(cell); cell == "" && i < len(row)-1 {
				row[i] = "-"
			}
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return table.Flush()
}

// addUnlisted adds the sections of the configuration file that are not profiles because their headers lack a word.
func (c *call) addUnlisted(list []listed) []listed {
	text, _ := readFile(c.configFile(), maxConfig) // it was read for the names; a file that does not exist has no sections
	known := []string{"default", "preview", "plugins"}
	eachSetting(text, func(header, name, _ string, _ []string) {
		if name != "" || header == "" || slices.Contains(known, header) {
			return
		}
		known = append(known, header)
		i := slices.IndexFunc(list, func(p listed) bool { return p.Name == header })
		if i < 0 {
			list = append(list, listed{Name: header})
			i = len(list) - 1
		}
		list[i].Problem = cmp.Or(list[i].Problem, fmt.Sprintf("%s has [%s], which in this file must be [profile %s]", c.configFile(), header, header))
	})
	return list
}

// look returns what the files say about a profile.
func (c *call) look(ctx context.Context, name string) listed {
	found := listed{Name: name}
	p := c.selected(name, nil)
	p.MFAToken = func(context.Context, string) (stschain.Secret, error) { return stschain.Secret{}, stschain.ErrPrompt }
	p.HTTPClient = &http.Client{Transport: offline{}}
	p.WrapRole = func(role stschain.Provider) stschain.Provider {
		found.Kind, found.Role = kindOf(role)
		return unused{role}
	}
	key, err := p.Configured(ctx)
	if key, from, ok := strings.Cut(key, ", "); ok {
		found.From = from
		switch {
		case key == "login_session":
			found.Kind = "login"
		default:
			_, err = p.Identity(ctx)
			if sources := p.Providers(); found.Kind == "" && len(sources) > 0 {
				found.Kind, _ = kindOf(sources[0])
			}
			if found.Kind == "process" {
				err = nil // a process has no identity
			}
		}
	}
	switch {
	case stschain.IsUnavailable(err):
		found.Kind = "settings"
	case err != nil:
		found.Problem = inFlags.Replace(strings.TrimPrefix(err.Error(), "profile: "))
	}
	own := c.selected(name, []string{"AWS_REGION", "AWS_DEFAULT_REGION"})
	if settings, err := own.Client(ctx, nil); err == nil {
		found.Region = settings.Region
	}
	return found
}

// selected returns a provider of the profile that the environment selects, without other variables.
func (c *call) selected(name string, without []string) *profile.Provider {
	lookup := c.lookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	return &profile.Provider{AllowHTTP: true, LookupEnv: func(variable string) (string, bool) {
		if variable == "AWS_PROFILE" {
			return name, true
		}
		for _, hidden := range without {
			if variable == hidden {
				return "", false
			}
		}
		return lookup(variable)
	}}
}

// kindOf returns the kind of a profile with this provider, and its role.
func kindOf(p stschain.Provider) (kind, role string) {
	switch p := p.(type) {
	case *assumerole.Provider:
		return "role", p.RoleARN
	case *webidentity.Provider:
		return "web identity", p.RoleARN
	case *sso.Provider:
		return "sso", p.AccountID + "/" + p.RoleName
	}
	name, rest, _ := strings.Cut(fmt.Sprint(p), " ")
	switch name {
	case "assumerole": // in no region
		return "role", rest
	case "profile":
		return "keys", ""
	}
	return name, ""
}

// unused is a role that is not assumed. Its identity would need tokens.
type unused struct{ stschain.Provider }

func (u unused) Identity(ctx context.Context) (stschain.Identity, error) {
	switch u.Provider.(type) {
	case *assumerole.Provider, *webidentity.Provider, *sso.Provider:
		return stschain.Identity{}, nil
	}
	return (&stschain.Cache{Provider: u.Provider}).Identity(ctx) // the error of a role in no region
}

// offline sends no request.
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("profiles are listed without requests")
}
