package sigv4_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// A region is a name and not a host label: S3-compatible servers call theirs what
// they like (botocore#2909).
func TestRegionNames(t *testing.T) {
	for _, region := range []string{"ru_central1_a", "de.fra", "default", "US", "1", "a-", "_", "ap-southeast-99.zone_1"} {
		s := &sigv4.Signer{Service: "s3", Region: region}
		v := verifier{service: "s3", region: region, known: []stschain.Credentials{creds("AKID")}}
		req := newRequest(t, "GET", "https://storage.example/bucket/key", nil)
		require.NoError(t, s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now), region)
		v.requireValid(t, req)
	}
	for _, region := range []string{"eu/west", "eu west", "eu-west-1\n", "eu%2Fwest", "münchen", "a,b", "*", "~"} {
		s := &sigv4.Signer{Service: "s3", Region: region}
		err := s.Sign(newRequest(t, "GET", "https://storage.example/", nil), sigv4.PayloadHash(nil), creds("AKID"), now)
		require.ErrorContains(t, err, "is not a valid region name", region)
	}
}

// VPC Lattice never verifies payloads and requires a header that says so, for requests without
// a body too (aws-sdk-rust#843, curl#11007).
func TestVPCLattice(t *testing.T) {
	for name, start := range starts {
		for _, c := range []struct{ method, body string }{{"GET", ""}, {"DELETE", ""}, {"POST", `{"order":7}`}, {"PUT", text(large)}} {
			t.Run(name+"/"+c.method, func(t *testing.T) {
				s := newService(t, start, nil, "AKID")
				s.service = "vpc-lattice-svcs"
				req := newRequest(t, c.method, s.URL+"/orders/7?x=1", nil)
				if c.body != "" {
					req = newRequest(t, c.method, s.URL+"/orders/7?x=1", strings.NewReader(c.body))
				}
				do(t, s.transport().RoundTrip, req)
				a := s.arrivals()[0]
				require.NoError(t, a.err)
				require.Equal(t, c.body, a.body)
				require.Contains(t, a.signed, "x-amz-content-sha256")
			})
		}
	}
	// The hash that a caller of Signer has computed is not used.
	s := &sigv4.Signer{Service: "vpc-lattice-svcs", Region: "eu-west-1"}
	v := verifier{service: "vpc-lattice-svcs", region: "eu-west-1", known: []stschain.Credentials{creds("AKID")}}
	req := newRequest(t, "POST", "https://orders.example/", strings.NewReader("hi"))
	require.NoError(t, s.Sign(req, sigv4.PayloadHash([]byte("hi")), creds("AKID"), now))
	v.requireValid(t, req)

	link, header, err := s.Presign(newRequest(t, "GET", "https://orders.example/", nil), sigv4.PayloadHash(nil), creds("AKID"), now, time.Minute)
	require.NoError(t, err)
	require.Equal(t, http.Header{"Host": {"orders.example"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}, header)
	later := newRequest(t, "GET", link.Reveal(), nil)
	later.Header = header
	v.requireValid(t, later)
}

// The MQTT gateway of IoT wants the session token after the signature and not below
// it (aws-sdk-go#2485, aws-c-auth#34).
func TestPresignForIoT(t *testing.T) {
	for _, service := range []string{"iotdevicegateway", "iotdata"} {
		s := &sigv4.Signer{Service: service, Region: "eu-west-1"}
		v := verifierOf(service)
		link, _, err := s.Presign(newRequest(t, "GET", "https://prefix-ats.iot.eu-west-1.amazonaws.com/mqtt", nil),
			sigv4.PayloadHash(nil), creds("AKID"), now, 24*time.Hour)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(link.Reveal(), "X-Amz-Security-Token="))
		r, body, err := sent(newRequest(t, "GET", link.Reveal(), nil))
		require.NoError(t, err)
		_, _, err = v.verify(r, body)
		require.NoError(t, err)
	}
}
