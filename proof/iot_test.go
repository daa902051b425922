package proof_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

const broker = "abc-ats.iot.eu-west-1.amazonaws.com"

// The URL as another implementation signs it: the token comes after the signature, and is not signed.
func TestIoTWebSocket(t *testing.T) {
	const want = "wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Feu-west-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T120000Z" +
		"&X-Amz-SignedHeaders=host&X-Amz-Expires=86400&X-Amz-Signature=aa38fa46363834d4b2c956bce93c9f51f18beb1c2960e766add45fcef76bc296&X-Amz-Security-Token=token%2Fwith%2Bspecial%3Dchars"
	for _, host := range []string{broker, "ABC-ats.iot.eu-west-1.amazonaws.com"} { // clients send it in lower case
		token, err := (&proof.IoTWebSocket{Credentials: example, Region: region, Endpoint: host, Duration: 24 * time.Hour, Clock: fakeClock()}).URL(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, token.Value.Reveal())
		require.Equal(t, start.Add(24*time.Hour), token.Expires)
	}
	token, err := (&proof.IoTWebSocket{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: region, Endpoint: broker, Clock: fakeClock()}).URL(t.Context())
	require.NoError(t, err)
	require.NotContains(t, token.Value.Reveal(), "X-Amz-Security-Token")
	require.Contains(t, token.Value.Reveal(), "&X-Amz-Expires=900&")
}

// upgrade sends the request that a client of MQTT over WebSocket sends to a URL. ok is false if no client can.
func upgrade(gateway http.Handler, link string) (status int, ok bool) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "wss" {
		return 0, false
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")))
	if err != nil {
		return 0, false
	}
	rec := httptest.NewRecorder()
	gateway.ServeHTTP(rec, r)
	return rec.Code, true
}

// The gateway verifies the URL with its own code, and refuses each change of it.
func TestIoTWebSocketBytes(t *testing.T) {
	c := fakeClock()
	srv := ststest.NewTest(t)
	srv.Clock = c
	session := stschain.Static("ASIAEXAMPLE", secretKey, sessionToken)
	keys, err := session.Retrieve(t.Context())
	require.NoError(t, err)
	srv.AddKeys("arn:aws:sts::123456789012:assumed-role/camera/a", keys)
	gateway := srv.Protect("iotdevicegateway", region, nil)
	token, err := (&proof.IoTWebSocket{Credentials: session, Region: region, Endpoint: broker, Clock: c}).URL(t.Context())
	require.NoError(t, err)
	link := token.Value.Reveal()
	status, ok := upgrade(gateway, link)
	require.True(t, ok)
	require.Equal(t, 200, status)

	srv.AllowRefusals()
	query := func(link string) url.Values {
		u, err := url.Parse(link)
		require.NoError(t, err)
		return u.Query()
	}
	refused := 0
	for i := range link {
		for _, change := range []byte{1, 0x20} {
			changed := link[:i] + string(link[i]^change) + link[i+1:]
			switch status, ok := upgrade(gateway, changed); {
			case !ok, status != 200:
				refused++
			default: // the same in another form, such as %2f
				require.Equal(t, query(link), query(changed), "the change of byte %d is accepted: %s", i, changed[:i+1])
			}
		}
	}
	require.Greater(t, refused, len(link)*2*9/10)
}

// Requests of a URL whose session token is signed, or that the broker does not expect, are refused.
func TestIoTWebSocketRefusals(t *testing.T) {
	c := fakeClock()
	srv := ststest.NewTest(t)
	srv.Clock = c
	srv.AllowRefusals()
	keys, err := example.Retrieve(t.Context())
	require.NoError(t, err)
	srv.AddKeys("arn:aws:sts::123456789012:assumed-role/camera/a", keys)
	gateway := srv.Protect("iotdevicegateway", region, nil)
	get := func(link, protocol string) int {
		r := httptest.NewRequest("GET", link, nil)
		r.Header.Set("Sec-WebSocket-Protocol", protocol)
		rec := httptest.NewRecorder()
		gateway.ServeHTTP(rec, r)
		return rec.Code
	}
	token, err := (&proof.IoTWebSocket{Credentials: example, Region: region, Endpoint: broker, Clock: c}).URL(t.Context())
	require.NoError(t, err)
	link := "https" + strings.TrimPrefix(token.Value.Reveal(), "wss")
	require.Equal(t, 200, get(link, "mqtt"))
	require.Equal(t, 403, get(link, "wamp"))
	require.Equal(t, 403, get(strings.Replace(link, "/mqtt", "/mqtt/", 1), "mqtt"))
	require.Equal(t, 403, get(link[:strings.Index(link, "&X-Amz-Security-Token")], "mqtt"))

	signer := &sigv4.Signer{Service: "iotdata", Region: region} // its tokens are signed
	req, err := http.NewRequest("GET", "https://"+broker+"/mqtt", nil)
	require.NoError(t, err)
	signed, _, err := signer.Presign(req, sigv4.PayloadHash(nil), keys, start, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 403, get(strings.Replace(signed.Reveal(), "iotdata", "iotdevicegateway", 1), "mqtt"))
	c.Add(16 * time.Minute)
	require.Equal(t, 403, get(link, "mqtt"))
}

func TestIoTWebSocketFields(t *testing.T) {
	for want, socket := range map[string]*proof.IoTWebSocket{
		"Credentials is missing":                          {Region: region, Endpoint: broker},
		"Region is missing":                               {Credentials: example, Endpoint: broker},
		"Endpoint is missing":                             {Credentials: example, Region: region},
		"Endpoint is \"wss://x\", and the host of a data": {Credentials: example, Region: region, Endpoint: "wss://x"},
		"Endpoint is \"a.credentials.iot.eu-west-1.amazo": {Credentials: example, Region: region, Endpoint: "a.credentials.iot.eu-west-1.amazonaws.com"},
		"Duration is 25h0m0s, and whole seconds up to 24": {Credentials: example, Region: region, Endpoint: broker, Duration: 25 * time.Hour},
		"Duration is -1s":                                 {Credentials: example, Region: region, Endpoint: broker, Duration: -time.Second},
		"Duration is 500ms":                               {Credentials: example, Region: region, Endpoint: broker, Duration: time.Second / 2},
	} {
		token, err := socket.URL(t.Context())
		require.ErrorContains(t, err, "proof: no IoT WebSocket URL: "+want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Zero(t, token)
	}
}
