package source

import (
	"context"
	"fmt"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

// Client returns a new client of STS with the settings of environment and profile, which
// package profile lists, and the credentials of the chain. If no region is configured,
// it is that of the instance; without an instance, that takes about a second.
//
// Files and environment are read once per client. Create one client and share it.
func (d *Default) Client(ctx context.Context) (*stsquery.Client, error) {
	d.setUp()
	client, err := d.stsClient(ctx, d)
	if err == nil && client.Region == "" {
		client.Region, err = d.instanceRegion(ctx)
		client.FallbackRegions = wire.Fallback(client.Region, client.Endpoint, d.FallbackRegions)
	}
	if err != nil {
		return nil, fmt.Errorf("source: no client of STS: %w", err)
	}
	return client, nil
}

// stsClient returns a client without a region if none is configured. An endpoint that is not valid is an error that
// says where it is set. Clients share connections: after a web identity, the first signed request needs no handshake.
func (d *Default) stsClient(ctx context.Context, credentials stschain.Provider) (*stsquery.Client, error) {
	if _, err := d.profile.EndpointURL(ctx, "sts"); err != nil {
		return nil, err
	}
	client, err := d.profile.Client(ctx, credentials)
	if err == nil && client.HTTPClient == nil {
		client.HTTPClient = d.sts()
	}
	return client, err
}

// Transport returns a new transport that signs requests to a service with the credentials of the
// chain, for the region that Client has. The service is named as in signatures: "s3", "execute-api".
// Requests go through HTTPClient's transport, which trusts the certificates of AWS_CA_BUNDLE or ca_bundle.
//
// The transport caches the credentials. To share them with other clients, set
// the Credentials of all of them to one [stschain.Cache] over the Default.
func (d *Default) Transport(ctx context.Context, service string) (*sigv4.Transport, error) {
	d.setUp()
	client, err := d.profile.Client(ctx, nil)
	if err == nil && client.Region == "" {
		client.Region, err = d.instanceRegion(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("source: no transport for %s: %w", service, err)
	}
	base, err := d.profile.RoundTripper(ctx)
	if err != nil {
		return nil, fmt.Errorf("source: no transport for %s: %w", service, err)
	}
	return &sigv4.Transport{
		Service: service, Region: client.Region, Credentials: d, Base: base,
		AllowHTTP: d.AllowHTTP, Clock: d.Clock,
	}, nil
}

// Endpoint returns the URL that environment and profile configure for a service, in the order of the AWS
// SDKs: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the services section of the profile, its
// endpoint_url. It is "" if none is configured, or if AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or the profile's
// ignore_configured_endpoint_urls is true: the service is then called at its endpoint of AWS. The service
// is named by its ID: "s3", "dynamodb", "Elastic Beanstalk". A URL that is not valid, or of plain http
// without AllowHTTP, is an error.
func (d *Default) Endpoint(ctx context.Context, service string) (string, error) {
	d.setUp()
	url, err := d.profile.EndpointURL(ctx, service)
	if err != nil {
		return "", fmt.Errorf("source: no endpoint for %s: %w", service, err)
	}
	return url, nil
}

// instanceRegion returns the region of the instance, for use if none is configured.
func (d *Default) instanceRegion(ctx context.Context) (string, error) {
	instance, err := d.instance.get(ctx)
	if err != nil {
		return "", err
	}
	region, err := instance.Region(ctx)
	if err != nil {
		return "", fmt.Errorf("no region is set: set AWS_REGION, region in the profile, or Default.Region; and the instance has none: %w", err)
	}
	return region, nil
}
