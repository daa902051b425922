package stsquery

import "net/url"

// Target is where a client sends what it signs, and what its signatures are for.
type Target struct {
	URL             *url.URL // with the path, "/" if there is none, and the query of Client.Endpoint
	Region, Service string   // of the signature
}

// Target returns where the client's signed requests go. It is for those who sign
// requests to STS that somebody else will send.
func (c *Client) Target() (Target, error) {
	prepared, err := c.prepare(GetCallerIdentityInput{}, "")
	if err != nil {
		return Target{}, &Error{Operation: "GetCallerIdentity", Err: err}
	}
	to := prepared.to.url
	return Target{URL: &to, Region: prepared.to.signingRegion, Service: prepared.to.signingName}, nil
}
