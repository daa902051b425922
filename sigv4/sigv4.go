// Package sigv4 signs HTTP requests with AWS Signature Version 4.
//
// Most programs want [Transport]: an http.RoundTripper that signs every request
// of an http.Client with credentials that stay fresh.
//
//	client := &http.Client{Transport: &sigv4.Transport{
//		Service: "s3", Region: "eu-west-1", Source: provider,
//	}}
//
// One client of several services has a function that picks them, see
// Transport.Scope.
//
// # Frameworks
//
// What takes an http.RoundTripper or an http.Client takes a Transport, and that is
// best: each try is signed, and a rejected token is replaced. What has only a hook
// before it sends takes [Transport.SignRequest]:
//
//	restyClient.SetPreRequestHook(func(_ *resty.Client, r *http.Request) error {
//		return transport.SignRequest(r)
//	})
//
// A struct that embeds a *Transport and has a method OverrideSigningPort(uint16) is
// a signer of opensearch-go.
//
// # Low level
//
// [Signer] is for requests that are signed at one place and sent at another: it
// takes the credentials and the instant, does no I/O and knows no clock.
//
// # What is signed
//
// The host, Content-Type, every X-Amz-* header, and the headers that the field
// SignedHeaders names. Nothing else: what proxies and instrumentation change on
// the way would break the signature. A header whose values are empty is signed
// only if it is an X-Amz-* header.
//
// # What is changed
//
// Services differ in how they read some things that may stand in a request, and
// a signature is good only if both sides read the same. Signing therefore brings
// a request into a form that all of them read alike, without changing what it
// means:
//
//   - A default port leaves the host, and so does an IPv6 zone.
//   - In the query a "+" becomes "%20", and what RFC 3986 allows in no query is
//     escaped. Order and duplicates stay.
//   - A tab in a signed header becomes a space.
//   - For S3 the path is escaped as S3 does it, to which "%2F" is a slash. It is
//     never cleaned: "//" and ".." are sent as they are.
//
// # Services
//
// S3's own rules (the path is signed as it is sent, X-Amz-Content-Sha256 is
// added) hold for the services s3, s3-object-lambda and s3-outposts. S3 Express
// has sessions of its own, and is refused. X-Amz-Content-Sha256 is also added
// for aoss, and to any request that has it.
//
// Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
)

// UnsignedPayload stands for the hash of a body that is not signed. S3 takes it,
// and in presigned URLs expects it; few other services do.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// PayloadHash returns the hash of a body as [Signer] wants it: SHA-256 in hex.
// That of no body is PayloadHash(nil).
func PayloadHash(body []byte) string {
	sum := sha256.Sum256(body)
	var space [2 * sha256.Size]byte
	return string(hex.AppendEncode(space[:0], sum[:]))
}
