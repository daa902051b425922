package iot

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/keypair"
	"github.com/stschain-go/stschain/internal/wire"
)

// refuse returns the error of a response with another status than 200. Most refusals of the service have a message, and no code.
func refuse(service wire.Service, r wire.Response) error {
	code, message := credjson.Said(r)
	refusal := service.Refuse(r, code, message)
	err := refusal.Marked()
	if code == "" && message != "" && r.Status/100 == 4 && !wire.Retryable(r.Status) {
		err = stschain.Permanent(err)
	}
	if hint := hintOn(message); hint != "" {
		err = fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

// hints are what to do about the messages of the service, of which each contains a part.
var hints = []struct{ part, text string }{
	{"Invalid thing name", "ThingName must be a thing to which the certificate is attached: `aws iot attach-thing-principal`"},
	{"Certificate is invalid on this endpoint", "the certificate must be registered and active in the account and region of Endpoint"},
	{"Access Denied", "a policy that is attached to the certificate must allow iot:AssumeRoleWithCertificate on the role alias"},
	{"Role alias does not exist", "RoleAlias must exist in the account and region of Endpoint"},
	{"Unable to assume the role", "the role of the role alias must exist, and trust credentials.iot.amazonaws.com"},
	{"exceeds the MaxSessionDuration", "lower credentialDurationSeconds of the role alias, or raise MaxSessionDuration of the role"},
}

func hintOn(message string) string {
	for _, h := range hints {
		if strings.Contains(message, h.part) {
			return h.text
		}
	}
	return ""
}

// rejected reports whether TLS rejected the certificate (RFC 8446, 6.2): bad, unsupported, revoked, expired, unknown, of an unknown
// authority, without access, or required. crypto/tls exports the texts of its alerts, and not their type.
func rejected(err error) bool {
	remote, ok := errors.AsType[*net.OpError](err)
	return ok && remote.Op == "remote error" && slices.ContainsFunc([]tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}, func(a tls.AlertError) bool {
		return a.Error() == remote.Err.Error()
	})
}

// explain adds what an error may mean.
func explain(err error, k keypair.Pair, presented bool) error {
	switch {
	case rejected(err):
		err = stschain.Permanent(fmt.Errorf("%w; the certificate must be registered and active in the account and region of Endpoint", err))
	case !errors.Is(err, stschain.ErrPermanent):
		return err
	case !presented:
		return fmt.Errorf("%w; the server did not request the certificate: check Endpoint, and whether a proxy inspects TLS", err)
	}
	return fmt.Errorf("%w; the %s is valid until %s", err, k, k.ValidUntil())
}
