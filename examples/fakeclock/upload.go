// Package fakeclock shows how to test a program whose credentials expire: hours
// pass in an instant, STS goes down and comes back, a service rejects a token.
// The file to copy is upload_test.go; the program itself is minimal.
//
//	go test -v ./examples/fakeclock
//
// It requires that the program gets its provider, its transport and its clock as arguments. In main they are the real ones:
//
//	fakeclock.NewUploader(role, http.DefaultTransport, nil)
package fakeclock

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// Uploader puts files into a bucket.
type Uploader struct{ client *http.Client }

// NewUploader returns an uploader. A nil clock is the system clock.
func NewUploader(source stschain.Provider, base http.RoundTripper, clock stschain.Clock) *Uploader {
	return &Uploader{&http.Client{Transport: &sigv4.Transport{
		Service: "s3", Region: "eu-west-1", Credentials: source, Base: base, Clock: clock,
	}}}
}

// Upload puts one file.
func (u *Uploader) Upload(ctx context.Context, name string, content io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://backups.s3.eu-west-1.amazonaws.com/"+name, content)
	if err != nil {
		return err
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("upload of %s: %s", name, resp.Status)
	}
	return nil
}
