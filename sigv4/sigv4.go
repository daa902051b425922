// Package sigv4 signs HTTP requests with AWS Signature Version 4.
//
// Most programs want [Transport]: an http.RoundTripper that signs every request
// of an http.Client with current credentials.
//
//	client := &http.Client{Transport: &sigv4.Transport{
//		Service: "s3", Region: "eu-west-1", Credentials: provider,
//	}}
//
// A client of several services sets Transport.Scope, a function that returns the
// service and the region of each request.
//
// # Frameworks
//
// Where an http.RoundTripper or an http.Client can be set, use a Transport: each
// attempt is signed, and a rejected token is replaced. In a framework that only has
// a hook before it sends, call [Transport.SignRequest]:
//
//	restyClient.SetPreRequestHook(func(_ *resty.Client, r *http.Request) error {
//		return transport.SignRequest(r)
//	})
//
// For an httputil.ReverseProxy, set its Transport field, or sign in Rewrite. Do not
// sign in Director: ReverseProxy removes hop-by-hop headers after it, and a client
// can name any header in Connection. Such requests are refused.
//
// A struct that embeds a *Transport and has a method OverrideSigningPort(uint16) is
// a signer of opensearch-go.
//
// # Low level
//
// [Signer] is for requests that are signed in one place and sent in another: it
// takes the credentials and the time, does no I/O and has no clock.
//
// # Several regions
//
// A [RegionSet] in the Signer or the Scope signs with SigV4a, AWS4-ECDSA-P256-SHA256: the
// signature is valid in several regions, or in all. Multi-region access points of S3 and
// global endpoints of EventBridge require it for all regions:
//
//	sigv4.Scope{Service: "s3", RegionSet: sigv4.Regions("*")}
//
// Nothing selects it silently, and most services support Signature Version 4 only. Multi-region
// access points need a session token of a regional endpoint of STS. A signature takes about
// as long as one of ECDSA, 15 times as long as one of Signature Version 4; the key pair is derived once
// per secret access key.
//
// # Signed parts
//
// The host, Content-Type, Content-MD5, Range, every If-* and X-Amz-* header, and
// the headers that the field SignedHeaders names: at most 1,000. Nothing else is
// signed, since a header that a proxy or a tracer changes in transit would break
// the signature. A header whose values are empty is signed only if it is an
// X-Amz-* header.
//
// # Normalization
//
// Services interpret some parts of a request differently, and a signature is valid
// only if both sides agree. Signing therefore normalizes a request, without changing
// its meaning:
//
//   - A default port is removed from the host, and so is an IPv6 zone.
//   - In the query a "+" becomes "%20", and characters that RFC 3986 does not allow
//     in a query are escaped. Order and duplicates stay.
//   - A tab in a signed header becomes a space.
//   - For S3 the path is escaped as S3 does it, which treats "%2F" as a slash. It is
//     never cleaned: "//" and ".." are sent as they are.
//
// # Services
//
//   - s3, s3-object-lambda, s3-outposts: the path is signed as it is sent,
//     X-Amz-Content-Sha256 is added, and a body is never sent in chunks.
//   - aoss: X-Amz-Content-Sha256 is added, as to any other request that already has one.
//   - vpc-lattice-svcs: the payload is not signed, and a header says so.
//   - iotdevicegateway: presigned URLs have the session token after the signature.
//   - s3express: as s3. With Scope.S3Session the token is sent as X-Amz-S3session-Token; see package grants/s3express.
//
// Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
)

// UnsignedPayload takes the place of the hash of a body that is not signed. S3
// accepts it, and expects it in presigned URLs; few other services do.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// PayloadHash returns the hash of a body for [Signer]: SHA-256 in hex. Without a
// body, it is PayloadHash(nil).
func PayloadHash(body []byte) string {
	if len(body) == 0 {
		return emptyHash
	}
	sum := sha256.Sum256(body)
	var space [2 * sha256.Size]byte
	return string(hex.AppendEncode(space[:0], sum[:]))
}
