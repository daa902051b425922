package source

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/webidentity"
)

// place is a provider and a function that returns what configures it, "" if
// nothing does. configured does not retrieve credentials.
type place struct {
	stschain.Provider
	configured func(context.Context) string
}

const tokenFile = "AWS_WEB_IDENTITY_TOKEN_FILE"

// variable returns the configured function of a place that one of these variables configures.
func (d *Default) variable(names ...string) func(context.Context) string {
	return func(context.Context) string {
		for _, name := range names {
			if system.Getenv(d.LookupEnv, name) != "" {
				return name
			}
		}
		return ""
	}
}

func (d *Default) profileKey(ctx context.Context) string {
	key, err := d.profile.Configured(ctx)
	switch {
	case stschain.IsUnavailable(err):
		return ""
	case err != nil:
		return strings.TrimPrefix(err.Error(), "profile: ")
	}
	return key
}

// unused returns, for each place, itself with what configures it if it comes after another place that is
// configured too, and nil otherwise.
func (d *Default) unused(ctx context.Context) []stschain.Provider {
	others, first := make([]stschain.Provider, len(d.places)), true
	for i, p := range d.places {
		what := p.configured(ctx)
		if what != "" && !first {
			others[i] = also{p.Provider, what}
		}
		first = first && what == ""
	}
	return others
}

// also is a place that is configured and not used, as reports name it.
type also struct {
	stschain.Provider
	what string
}

func (a also) String() string { return fmt.Sprintf("%v has credentials too (%s)", a.Provider, a.what) }

// newWebIdentity reads the files only if web identity is configured. It leaves Client nil if there is
// no region: FromEnv returns an error for that.
func (d *Default) newWebIdentity(ctx context.Context) (*webidentity.FromEnv, error) {
	from := &webidentity.FromEnv{LookupEnv: d.LookupEnv, Open: d.Open}
	if d.variable(tokenFile)(ctx) == "" {
		_, err := from.Retrieve(ctx)
		return nil, err
	}
	client, err := d.stsClient(ctx, nil)
	if err != nil {
		return nil, err
	}
	if client.Region != "" || client.Endpoint != "" {
		from.Client = func(string) *stsquery.Client { return client }
	}
	return from, nil
}

func (d *Default) newContainer(ctx context.Context) (*container.Provider, error) {
	client, err := d.profile.Client(ctx, nil) // whose HTTPClient trusts the configured certificates
	if err != nil {
		return nil, err
	}
	return &container.Provider{LookupEnv: d.LookupEnv, Open: d.Open, HTTPClient: client.HTTPClient}, nil
}

func (d *Default) newInstance(ctx context.Context) (*imds.Provider, error) {
	return d.profile.Instance(ctx)
}

// later is a place that needs settings of the profile. It is made at its first call, so that files are not read
// if the environment has keys.
type later[P stschain.Provider] struct {
	name string
	make func(ctx context.Context) (P, error)

	mu   sync.Mutex
	done bool
	made P
}

func (l *later[P]) get(ctx context.Context) (P, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return l.made, nil
	}
	made, err := l.make(ctx)
	if err == nil {
		l.made, l.done = made, true
	}
	return made, err
}

func (l *later[P]) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	p, err := l.get(ctx)
	switch {
	case stschain.IsUnavailable(err):
		return stschain.Credentials{}, err
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("%s: %w", l, err)
	}
	return p.Retrieve(ctx)
}

func (l *later[P]) String() string { return l.name }
