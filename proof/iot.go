package proof

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// IoTWebSocket presigns connections of MQTT over WebSocket to AWS IoT Core. The session token is in the URL after the
// signature, and not part of what is signed: otherwise AWS IoT returns 403.
//
// Connect with the subprotocol mqtt. The URL is needed at the beginning of a connection only, so call
// [IoTWebSocket.URL] for each one, reconnections too.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
type IoTWebSocket struct {
	Credentials stschain.Provider // required; retrieved through stschain.Cached. They need iot:Connect on the client ID
	Region      string            // required: the endpoint's, "eu-west-1"
	Endpoint    string            // required: the host that `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints, or a custom domain
	Duration    time.Duration     // of a URL: whole seconds, up to 24 hours. 0: 15 minutes
	MinLife     time.Duration     // see the package comment; up to Duration
	Clock       stschain.Clock    // nil: the system clock

	connector connector
}

// URL returns a URL with the scheme wss.
func (i *IoTWebSocket) URL(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no IoT WebSocket URL")
	if i.Duration < 0 || i.Duration > 24*time.Hour || i.Duration%time.Second != 0 {
		return Token{}, stschain.Permanent(fmt.Errorf("Duration is %v, and whole seconds up to 24h0m0s are allowed", i.Duration))
	}
	signed, by, err := i.connector.presign(ctx, "https", connection{
		credentials: i.Credentials, service: "iotdevicegateway", region: i.Region,
		fields: []field{{"Endpoint", i.Endpoint, isDataHost, "the host of a data endpoint (abc-ats.iot.eu-west-1.amazonaws.com)"}},
		host:   strings.ToLower(i.Endpoint), path: "/mqtt", life: i.Duration, minLife: i.MinLife, clock: i.Clock,
	})
	if err != nil {
		return Token{}, err
	}
	return Token{stschain.NewSecret("wss" + strings.TrimPrefix(tokenLast(signed), "https")), by.expires}, nil
}

// tokenLast moves the session token, which is not signed, after the signature, where the SDKs of AWS have it.
func tokenLast(link string) string {
	const name = "&X-Amz-Security-Token="
	front, rest, hasToken := strings.Cut(link, name)
	token, signature, inside := strings.Cut(rest, "&")
	if !hasToken || !inside {
		return link
	}
	return front + "&" + signature + name + token
}

// isDataHost reports whether s is a host, other than that of the credentials provider, which is similar.
func isDataHost(s string) bool { return isHost(s) && !strings.Contains(s, ".credentials.iot.") }
