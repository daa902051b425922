package profile

import (
	"context"
	"errors"
	"strings"

	"github.com/stschain-go/stschain/internal/wire"
)

// EndpointURL returns the URL that environment and profile configure for a service, "" if they
// do not: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the services section of the profile,
// endpoint_url. The service is named by its ID, such as "s3" or "Elastic Beanstalk". Endpoint
// applies only to STS. A URL that is not valid, or of plain http without AllowHTTP, is an
// error.
func (p *Provider) EndpointURL(ctx context.Context, service string) (string, error) {
	files, section, err := p.profile(ctx)
	if err != nil {
		return "", err
	}
	r := p.reader(files, section)
	url := r.checked(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(service)))
	if url != "" && !strings.Contains(url, "://") {
		url = "https://" + url
	}
	return url, r.err
}

// checked returns the endpoint, which fails if it is not valid.
func (r *reader) checked(service string) string {
	at := r.endpoint(service)
	if at.text != "" {
		if _, err := wire.ParseURL(at.text, r.p.AllowHTTP); err != nil {
			r.fail(at, "the value %w", err)
		}
	}
	return at.text
}

// endpoint returns where a service is called, zero if it is not configured. Services are named as in the files:
// lower case, with underscores.
func (r *reader) endpoint(service string) setting {
	if service == sts && r.p.Endpoint != "" {
		return setting{r.p.Endpoint, "Provider.Endpoint"}
	}
	if r.p.IgnoreConfiguredEndpoints || r.flag("ignore_configured_endpoint_urls", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
		return setting{}
	}
	if s := r.variable("AWS_ENDPOINT_URL_"+strings.ToUpper(service), "AWS_ENDPOINT_URL"); s.text != "" {
		return s
	}
	for _, profile := range r.profiles {
		if services := profile.get("services"); services.isSet() {
			section, err := r.files.find(kindServices, services.text())
			switch {
			case err != nil:
				r.err = errors.Join(r.err, err)
			case section == nil:
				r.fail(setting{origin: services.origin()}, "there is no [services %s] in %s", services.text(), r.files.config.path)
			}
			if url := section.sub(service, "endpoint_url"); url.isSet() {
				return url.setting()
			}
		}
		if url := profile.get("endpoint_url"); url.isSet() {
			return url.setting()
		}
	}
	return setting{}
}
