package profile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Settings are how STS is asked, as environment and profile say. What neither says is
// zero.
type Settings struct {
	Region          string
	Endpoint        string // of STS; "": by region
	FIPS, DualStack bool
	Global          bool // sts_regional_endpoints is legacy
	Retry           stsquery.Retry
	CABundle        string // file of certificates, in PEM, that servers are checked against

	DisableClockSkewCorrection bool

	// Of the metadata service of EC2 instances, as the profile says. The environment's
	// variables for it are imds.Provider's to read.
	EC2MetadataEndpoint, EC2MetadataEndpointMode string
	EC2MetadataV1Disabled                        bool
}

const sts = "sts"

// Settings returns those of the profile. A default profile that is not there has only the
// environment's; one that is asked for and is not there is an error.
func (p *Provider) Settings(ctx context.Context) (Settings, error) {
	files, selected, err := p.profile(ctx)
	if err != nil {
		return Settings{}, err
	}
	return p.settings(files, selected)
}

// Client returns a client of STS with the profile's settings, which signs with credentials.
// It does not follow later changes of the files.
func (p *Provider) Client(ctx context.Context, credentials stschain.Provider) (*stsquery.Client, error) {
	s, err := p.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return p.client(s, credentials)
}

func (p *Provider) client(s Settings, credentials stschain.Provider) (*stsquery.Client, error) {
	httpClient, err := p.httpClient(s.CABundle)
	if err != nil {
		return nil, err
	}
	return &stsquery.Client{
		Credentials: credentials,
		Region:      s.Region, Endpoint: s.Endpoint, AllowHTTP: p.AllowHTTP,
		FIPS: s.FIPS, DualStack: s.DualStack, Global: s.Global,
		HTTPClient: httpClient, Retry: s.Retry, Clock: p.Clock,
		DisableClockSkewCorrection: s.DisableClockSkewCorrection,
	}, nil
}

// settings are those of the last profile of a path, which begins at the selected one. A
// nil profile says nothing.
func (p *Provider) settings(files *Files, path ...*Section) (Settings, error) {
	r := p.reader(files, path...)
	s := r.settings()
	return s, r.err
}

func (p *Provider) reader(files *Files, path ...*Section) *reader {
	r := &reader{p: p, files: files, profiles: slices.Clone(path)}
	slices.Reverse(r.profiles)
	return r
}

// reader reads settings, and keeps what was wrong with them.
type reader struct {
	p        *Provider
	files    *Files
	profiles []*Section // the nearest first
	err      error
}

func (r *reader) settings() (s Settings) {
	s.Region = r.region()
	s.Endpoint = r.endpoint(sts).text
	s.FIPS = r.flag("use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT")
	s.DualStack = r.flag("use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT")
	s.Global = r.choice("sts_regional_endpoints", "AWS_STS_REGIONAL_ENDPOINTS", "regional", "legacy") == "legacy"
	s.Retry = r.retry()
	s.CABundle = r.value("ca_bundle", "AWS_CA_BUNDLE").text
	s.DisableClockSkewCorrection = r.flag("disable_clock_skew_correction", "AWS_DISABLE_CLOCK_SKEW_CORRECTION")
	s.EC2MetadataEndpoint = r.value("ec2_metadata_service_endpoint").text
	s.EC2MetadataEndpointMode = r.value("ec2_metadata_service_endpoint_mode").text
	s.EC2MetadataV1Disabled = r.flag("ec2_metadata_v1_disabled", "")
	return s
}

// setting is a value, and where it stands.
type setting struct{ text, origin string }

func (r *reader) fail(s setting, format string, args ...any) {
	r.err = errors.Join(r.err, stschain.Permanent(fmt.Errorf("profile: %s: %w", s.origin, fmt.Errorf(format, args...))))
}

// value is that of the first variable that is set, or else of the nearest profile that has the key.
func (r *reader) value(key string, variables ...string) setting {
	for _, name := range variables {
		if text := r.p.variable(name); text != "" {
			return setting{text, name}
		}
	}
	for _, profile := range r.profiles {
		if property, ok := profile.Property(key); ok {
			return setting{property.text(), property.origin()}
		}
	}
	return setting{}
}

func (r *reader) flag(key, variable string) bool {
	return r.choice(key, variable, "true", "false") == "true"
}

// choice is one of the allowed values, in lower case, or "".
func (r *reader) choice(key, variable string, allowed ...string) string {
	s := r.value(key, variable)
	text := strings.ToLower(s.text)
	if text != "" && !slices.Contains(allowed, text) {
		r.fail(s, "the value is none of %s", strings.Join(allowed, ", "))
	}
	return text
}

func (r *reader) retry() (retry stsquery.Retry) {
	switch r.choice("retry_mode", "AWS_RETRY_MODE", "standard", "adaptive", "legacy") {
	case "adaptive":
		retry.Mode = stsquery.Adaptive
	case "legacy":
		retry.Mode = stsquery.Legacy
	}
	if s := r.value("max_attempts", "AWS_MAX_ATTEMPTS"); s.text != "" {
		n, err := strconv.Atoi(s.text)
		if err != nil || n < 1 {
			r.fail(s, "the value is no number of attempts, from 1")
		}
		retry.MaxAttempts = n
	}
	return retry
}

func (r *reader) region() string {
	if r.p.Region != "" {
		return r.p.Region
	}
	return r.value("region", "AWS_REGION", "AWS_DEFAULT_REGION").text
}

// profile returns what the files say of the selected profile: nil if nothing, and
// nobody asks for it by name.
func (p *Provider) profile(ctx context.Context) (*Files, *Section, error) {
	if p == nil {
		return nil, nil, stschain.Permanent(errors.New("profile: the Provider is nil"))
	}
	files, err := p.Files(ctx)
	if err != nil {
		return nil, nil, err
	}
	name, by := p.selected()
	if by != "" && len(files.refused) > 0 {
		refused := files.refused[0]
		return nil, nil, refused.errorf("it cannot be opened: %v; %s names the profile %q, which may be in it: give this program access to the file, or set %s=%s to do without it",
			refused.reason, by, name, refused.variable, os.DevNull)
	}
	section, err := files.find(kindProfile, name)
	if err != nil {
		return nil, nil, err
	}
	if section == nil && by != "" {
		return nil, nil, stschain.Permanent(fmt.Errorf("profile: %s names the profile %q, which is not in %s%s", by, name, files.places(), files.hint(name)))
	}
	return files, section, nil
}
