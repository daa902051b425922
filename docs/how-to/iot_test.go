package howto_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/iot"
)

// The code of iot.md is compiled, and not run.
var _ = device

func device(ctx context.Context, amazonRootCA1 []byte, use func(*http.Client), connect func(url, protocol string) error) error {
	role := &iot.Provider{
		Endpoint:        "c2a1b3c4d5e6f7.credentials.iot.eu-west-1.amazonaws.com",
		RoleAlias:       "camera-upload",
		ThingName:       "camera-0042",
		CertificateFile: "/etc/device/certificate.pem",
		KeyFile:         "/etc/device/private-key.pem",
	}
	creds := &stschain.Cache{Provider: role, OnEvent: stschain.LogEvents(slog.Default())}
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds}}

	use(client)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(amazonRootCA1) {
		return errors.New("no root certificate")
	}
	role.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}

	broker := &proof.IoTWebSocket{Credentials: creds, Region: "eu-west-1", Endpoint: "c2a1b3c4d5e6f7-ats.iot.eu-west-1.amazonaws.com"}
	link, err := broker.URL(ctx) // for each connection, reconnections too
	if err != nil {
		return err
	}
	return connect(link.Value.Reveal(), "mqtt") // the URL, and the subprotocol
}
