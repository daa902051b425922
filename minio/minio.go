// Package minio gets credentials from the operations that only MinIO's STS has: [Certificate] authenticates with a client
// certificate in TLS, [LDAP] with a name and password of a directory, and [CustomToken] with a token that the server's
// identity plug-in verifies.
//
//	backup := &minio.Certificate{
//		Client:          &stsquery.Client{Endpoint: "https://minio.example:9000"},
//		CertificateFile: "/etc/backup/tls.crt",
//		KeyFile:         "/etc/backup/tls.key",
//	}
//	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "us-east-1", Credentials: backup}}
//
// AssumeRole and AssumeRoleWithWebIdentity work with MinIO too: use packages assumerole and webidentity with an Endpoint.
//
// A provider calls MinIO each time. Pass it to a type that caches: a sigv4.Transport, or an explicit [stschain.Cache] that
// several clients share.
//
// # Endpoint and TLS
//
// Client.Endpoint is the URL of the server; Client.Credentials are not used. Plain http is for loopback, unless AllowHTTP is
// set, and never for certificates. If a private authority issued the certificate of the server, put it into the RootCAs of
// Client.HTTPClient.
//
// # Lifetime
//
// MinIO issues credentials for 15 minutes to 365 days, and for an hour by default. A certificate, or the plug-in, can shorten
// that. TokenRevokeType is a label on the credentials, by which an administrator can revoke them before they expire.
//
// # Errors
//
// A refusal is a [*stsquery.Error]. MinIO returns InvalidParameterValue for most of them, a wrong password included. The
// errors say what to do, and are [stschain.ErrPermanent] where another attempt with the same input does not help. They
// contain no password, token or key.
package minio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Session is the complete response of MinIO.
type Session struct {
	Credentials stschain.Credentials
	AssumedUser string // such as "custom:alice". Only AssumeRoleWithCustomToken returns it
	RequestID   string
}

func credentials(s *Session) stschain.Credentials { return s.Credentials }

// session returns the session in a response.
func session(out *stsquery.UnsignedOutput, origin string) *Session {
	out.Credentials.Origin = origin
	return &Session{out.Credentials, out.Values["AssumedUser"], out.RequestID}
}

// Limits of MinIO.
const (
	minDuration = 15 * time.Minute
	maxDuration = 365 * 24 * time.Hour
	maxPolicy   = 2048 // bytes
	maxText     = 2048 // characters of a name or a password
)

// invalidf returns why a request is not sent. A field must be changed first, so it is permanent.
func invalidf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf(format, args...))
}

// checkClient checks the fields that all flows have.
func checkClient(client *stsquery.Client, duration, least time.Duration) error {
	switch {
	case client == nil:
		return flow.Missing("Client")
	case client.Endpoint == "":
		return flow.Missing("Client.Endpoint, the URL of the MinIO server,")
	case duration != 0 && (duration < least || duration > maxDuration):
		return invalidf("Duration is %v, and %v to %v are allowed", duration, least, maxDuration)
	case duration%time.Second != 0:
		return invalidf("Duration is %v, and only whole seconds are allowed", duration)
	}
	return nil
}

// checkPolicy refuses a session policy that MinIO would refuse.
func checkPolicy(policy string) error {
	var document struct{ Version string }
	switch {
	case policy == "":
	case len(policy) > maxPolicy:
		return invalidf("Policy has %d bytes, and at most %d are allowed", len(policy), maxPolicy)
	case json.Unmarshal([]byte(policy), &document) != nil:
		return invalidf("Policy is not a JSON object")
	case document.Version == "":
		return invalidf(`Policy has no Version, such as "2012-10-17"`)
	}
	return nil
}

// seconds is a duration as a parameter; "" is not sent.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.Itoa(int(d / time.Second))
}

// explain adds to a refusal what to do about it, and marks it as permanent if another attempt does not help.
func explain(err error) error {
	e, ok := errors.AsType[*stsquery.Error](err)
	if !ok {
		return err
	}
	for _, h := range hints {
		if h.code != e.Code || h.operation != "" && h.operation != e.Operation || !strings.Contains(e.Message, h.message) {
			continue
		}
		err = fmt.Errorf("%w; %s", err, h.text)
		if h.permanent {
			return stschain.Permanent(err)
		}
		return err
	}
	return err
}

// The operations.
const (
	withCertificate = "AssumeRoleWithCertificate"
	withLDAP        = "AssumeRoleWithLDAPIdentity"
	withToken       = "AssumeRoleWithCustomToken"
)

// Parts of the messages of InvalidParameterValue, which MinIO also returns if the directory cannot be reached.
const (
	rejectedPassword = `LDAP Result Code 49 "Invalid Credentials"`
	lookupBind       = "LDAP Lookup Bind user invalid credentials" // MinIO's own password
)

// hints are what to do about a refusal with a code, and with a part of its message. The first match applies.
var hints = []struct {
	code, operation, message string
	permanent                bool
	text                     string
}{
	{"STSNotInitialized", withCertificate, "", false, "start MinIO with MINIO_IDENTITY_TLS_ENABLE=on"},
	{"STSNotInitialized", withToken, "", false, "start MinIO with MINIO_IDENTITY_PLUGIN_URL, the address of an identity plug-in"},
	{"STSIAMNotInitialized", "", "", false, "MinIO is starting"},
	{"InsecureConnection", "", "", true, "set Client.Endpoint to an https URL of the server itself: a proxy that terminates TLS does not pass the certificate on"},
	{"InvalidClientCertificate", "", "", true, "the authority that issued the certificate must be in the folder certs/CAs of MinIO, and the certificate must not have expired"},
	{"TooManyIntermediateCAs", "", "", true, "send the intermediate certificates without the root, and no others"},
	{"MissingParameter", withCertificate, "No client certificate", true, "the server received no certificate: a proxy may terminate TLS before it"},
	{"MissingParameter", "", "", true, "check the fields of the provider"},
	{"InvalidParameterValue", withLDAP, lookupBind, false, "check MINIO_IDENTITY_LDAP_LOOKUP_BIND_DN and its password: the directory rejected MinIO itself"},
	{"InvalidParameterValue", withLDAP, rejectedPassword, true, "check Username and Password: the directory rejected them"},
	{"InvalidParameterValue", withLDAP, "User DN not found", true, "check Username, and the search base and filter of MinIO (MINIO_IDENTITY_LDAP_USER_DN_SEARCH_*)"},
	{"InvalidParameterValue", withLDAP, "LDAP is not configured", true, "start MinIO with MINIO_IDENTITY_LDAP_SERVER_ADDR, the address of the directory"},
	{"InvalidParameterValue", withLDAP, "expecting a policy", true, "attach a policy to the user or to one of its groups: mc idp ldap policy attach"},
	{"InvalidParameterValue", withLDAP, "LDAP server error", false, "MinIO could not use the directory: see its log"},
	{"InvalidParameterValue", withToken, "RoleArn", true, "RoleARN must be the ARN that MinIO logs when it starts: " + rolePrefix + "..."},
	{"InvalidParameterValue", withToken, "policies", false, "MINIO_IDENTITY_PLUGIN_ROLE_POLICY of MinIO must name an existing policy; a MinIO that is starting may not have loaded it yet"},
	{"InternalError", withToken, "", false, "MinIO returns this also if the plug-in rejects the token"},
}
