package minio

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/stsquery"
)

// derived is the client of a flow whose parameters MinIO reads from the query of the URL. It has the settings of the
// user's client, and a transport that moves the form into the query.
type derived struct {
	once sync.Once
	own  *stsquery.Client
	err  error
}

// client returns the client, the same one each time. change changes a copy of the transport; nil: it is used as it is.
func (d *derived) client(of *stsquery.Client, change func(http.RoundTripper) (http.RoundTripper, error)) (*stsquery.Client, error) {
	d.once.Do(func() {
		client := wire.Client(of.HTTPClient, of.AttemptTimeout)
		if client.Transport == nil {
			client.Transport = http.DefaultTransport
		}
		if change != nil {
			if client.Transport, d.err = change(client.Transport); d.err != nil {
				return
			}
		}
		client.Transport = inQuery{client.Transport}
		d.own = &stsquery.Client{
			HTTPClient: client,
			Region:     of.Region, Endpoint: of.Endpoint, AllowHTTP: of.AllowHTTP, FallbackRegions: of.FallbackRegions, FIPS: of.FIPS, DualStack: of.DualStack, Global: of.Global,
			SigningRegion: of.SigningRegion, SigningName: of.SigningName, AttemptTimeout: of.AttemptTimeout, Retry: of.Retry, Clock: of.Clock,
			DisableClockSkewCorrection: of.DisableClockSkewCorrection,
		}
	})
	return d.own, d.err
}

// inQuery is a transport that moves the form of a request into the query of its URL. The URL that the http.Client knows,
// and puts into errors, has no parameters.
type inQuery struct{ base http.RoundTripper }

func (t inQuery) RoundTrip(req *http.Request) (*http.Response, error) {
	form, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	moved := req.Clone(req.Context())
	moved.Body, moved.GetBody, moved.ContentLength = http.NoBody, nil, 0
	moved.Header.Del("Content-Type")
	moved.URL.RawQuery = strings.TrimPrefix(moved.URL.RawQuery+"&"+string(form), "&")
	resp, err := t.base.RoundTrip(moved)
	if resp != nil {
		resp.Request = req
	}
	if e, ok := errors.AsType[*url.Error](err); ok { // of a transport that is a client itself; it shows the URL
		err = e.Err
	}
	return resp, err
}

// CloseIdleConnections closes those of the transport, as http.Client does.
func (t inQuery) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
