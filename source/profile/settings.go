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
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/stsquery"
)

// settings are those of environment and profile. Each is zero if neither has it.
type settings struct {
	region          string
	endpoint        string // of STS; "": by region
	fips, dualStack bool
	global          bool // sts_regional_endpoints is legacy
	retry           stsquery.Retry
	caBundle        string // file of certificates, in PEM

	disableClockSkewCorrection bool
	regionSet                  sigv4.RegionSet // of SigV4a; nil: Signature Version 4

	// Of the metadata service of EC2 instances. Those of the environment are for imds.Provider to read.
	imdsEndpoint, imdsMode string
	imdsNoV1               bool
}

const sts = "sts"

// settings returns those of the selected profile. Without one there are only those of the environment.
func (p *Provider) settings(ctx context.Context) (settings, error) {
	files, selected, err := p.profile(ctx)
	if err != nil {
		return settings{}, err
	}
	r := p.reader(files, selected)
	return r.settings(), r.err
}

// Client returns a client of STS with the settings of environment and profile, which signs with credentials.
// It does not follow later changes of the files.
func (p *Provider) Client(ctx context.Context, credentials stschain.Provider) (*stsquery.Client, error) {
	s, err := p.settings(ctx)
	if err != nil {
		return nil, err
	}
	return p.client(&s, credentials)
}

func (p *Provider) client(s *settings, credentials stschain.Provider) (*stsquery.Client, error) {
	httpClient, err := p.httpClient(s.caBundle)
	return &stsquery.Client{
		Credentials: credentials,
		Region:      s.region, Endpoint: s.endpoint, AllowHTTP: p.AllowHTTP,
		FallbackRegions: wire.Fallback(s.region, s.endpoint, p.FallbackRegions),
		FIPS:            s.fips, DualStack: s.dualStack, Global: s.global,
		HTTPClient: httpClient, Retry: s.retry, Clock: p.Clock,
		DisableClockSkewCorrection: s.disableClockSkewCorrection,
		SigningRegionSet:           s.regionSet,
	}, err
}

// Instance returns a provider of the metadata service of EC2 instances, with the settings of environment and
// profile. It does not follow later changes of the files.
func (p *Provider) Instance(ctx context.Context) (*imds.Provider, error) {
	s, err := p.settings(ctx)
	return p.instance(&s), err
}

// instance returns a provider that uses the settings of the profile for variables that are not set.
func (p *Provider) instance(s *settings) *imds.Provider {
	lookup := func(name string) (string, bool) {
		value := p.variable(name)
		switch {
		case value != "":
		case name == "AWS_EC2_METADATA_SERVICE_ENDPOINT":
			value = s.imdsEndpoint
		case name == "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE":
			value = s.imdsMode
		}
		return value, value != ""
	}
	return &imds.Provider{DisableV1: s.imdsNoV1, LookupEnv: lookup, HTTPClient: p.HTTPClient, Clock: p.Clock}
}

// reader reads settings, and collects their errors.
type reader struct {
	p        *Provider
	files    *files
	profiles []*section // the nearest first
	err      error
}

// reader reads the settings of the last profile of a path, which begins at the selected one. A nil profile has
// none.
func (p *Provider) reader(files *files, path ...*section) *reader {
	r := &reader{p: p, files: files, profiles: slices.Clone(path)}
	slices.Reverse(r.profiles)
	return r
}

func (r *reader) settings() settings {
	s := settings{
		region:   r.p.Region,
		endpoint: r.endpoint(sts).text,
		fips:     r.flag("use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT"), dualStack: r.flag("use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT"),
		global:                     r.choice("sts_regional_endpoints", "AWS_STS_REGIONAL_ENDPOINTS", "regional", "legacy") == "legacy",
		retry:                      r.retry(),
		caBundle:                   r.value("ca_bundle", "AWS_CA_BUNDLE").text,
		disableClockSkewCorrection: r.flag("disable_clock_skew_correction", "AWS_DISABLE_CLOCK_SKEW_CORRECTION"),
		regionSet:                  r.regionSet(),
		imdsEndpoint:               r.value("ec2_metadata_service_endpoint").text,
		imdsMode:                   r.value("ec2_metadata_service_endpoint_mode").text,
		imdsNoV1:                   r.flag("ec2_metadata_v1_disabled"),
	}
	if s.region == "" {
		s.region = r.value("region", "AWS_REGION", "AWS_DEFAULT_REGION").text
	}
	return s
}

// setting is a value, and where it is configured.
type setting struct{ text, origin string }

func (p *property) setting() setting { return setting{p.text(), p.origin()} }

func (r *reader) fail(s setting, format string, args ...any) {
	r.err = errors.Join(r.err, stschain.Permanent(fmt.Errorf("profile: %s: %w", s.origin, fmt.Errorf(format, args...))))
}

// variable returns the first variable that is set.
func (r *reader) variable(names ...string) setting {
	for _, name := range names {
		if text := r.p.variable(name); text != "" {
			return setting{text, name}
		}
	}
	return setting{}
}

// value returns the first variable that is set, or else that of the nearest profile that has the key.
func (r *reader) value(key string, variables ...string) setting {
	s := r.variable(variables...)
	for _, profile := range r.profiles {
		if p := profile.get(key); s.text == "" && p.isSet() {
			s = p.setting()
		}
	}
	return s
}

func (r *reader) flag(key string, variable ...string) bool {
	return r.oneOf(r.value(key, variable...), "true", "false") == "true"
}

// choice returns one of the allowed values, in lower case, or "".
func (r *reader) choice(key, variable string, allowed ...string) string {
	return r.oneOf(r.value(key, variable), allowed...)
}

func (r *reader) oneOf(s setting, allowed ...string) string {
	text := strings.ToLower(s.text)
	if text != "" && !slices.Contains(allowed, text) {
		r.fail(s, "the value must be one of %s", strings.Join(allowed, ", "))
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
			r.fail(s, "the value must be a number of attempts, from 1")
		}
		retry.MaxAttempts = n
	}
	return retry
}

// profile returns the selected profile: nil if there is none, and it is not selected by name.
func (p *Provider) profile(ctx context.Context) (*files, *section, error) {
	files, err := p.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	name, by := p.selected()
	if refused := files.refused(); by != "" && refused != nil {
		return nil, nil, refused.errorf("cannot be opened: %w; %s names the profile %q, which may be in it: give this program access to the file, or set %s=%s to ignore it",
			refused.absent, by, name, refused.variable, os.DevNull)
	}
	section, err := files.find(kindProfile, name)
	if err == nil && section == nil && by != "" {
		err = stschain.Permanent(fmt.Errorf("profile: %s names the profile %q, which is not in %s%s", by, name, files.places(), files.hint(name)))
	}
	return files, section, err
}
