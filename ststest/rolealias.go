package ststest

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RoleAlias is a role alias of AWS IoT Core, for [Server.AddRoleAlias].
type RoleAlias struct {
	Name         string              // required: "camera-upload"
	RoleARN      string              // required
	Duration     time.Duration       // of sessions; 0: 1 hour
	Certificates []*x509.Certificate // required: of the devices whose policy allows the role alias, or of authorities of such devices
	Things       map[string][]string // that are attached to a certificate, by its common name: a request must name one. nil: it may name any, or none
}

// AddRoleAlias declares a role alias, or replaces its declaration. From then on the server is a credentials provider of
// AWS IoT Core too, on paths of the form /role-aliases/NAME/credentials. The certificate of the device comes from TLS, so
// mount the server where that is requested:
//
//	devices := httptest.NewUnstartedServer(srv)
//	devices.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
//	devices.StartTLS()
//
// The server verifies the certificate and its chain, that it is valid by Clock, the thing name and, if the host is a name,
// that TLS has the same one (SNI). Roles are those of [Server.AddRole]: Trusted must contain credentials.iot.amazonaws.com,
// or be nil. The session name is the ID of the certificate.
func (s *Server) AddRoleAlias(a RoleAlias) {
	_, ok := parseRoleARN(a.RoleARN)
	if a.Name == "" || !ok || len(a.Certificates) == 0 {
		s.mistake(fmt.Errorf("AddRoleAlias: the Name %q, the RoleARN %q or the certificates are missing or invalid", a.Name, a.RoleARN))
		return
	}
	a.Certificates = slices.Clone(a.Certificates)
	s.lock()
	defer s.mu.Unlock()
	if s.aliases == nil {
		s.aliases = map[string]RoleAlias{}
		s.added["iot"] = added{
			func(path string) bool { return strings.HasPrefix(path, aliasesPath) },
			func(w http.ResponseWriter, r *http.Request) bool { s.serveDevice(w, r); return true },
		}
	}
	s.aliases[a.Name] = a
}

const (
	iotOperation = "AssumeRoleWithCertificate" // the action of policies; the request has no name
	aliasesPath  = "/role-aliases/"
	iotPrincipal = "credentials.iot.amazonaws.com"
	thingHeader  = "X-Amzn-Iot-Thingname"
)

// serveDevice implements the credentials provider.
func (s *Server) serveDevice(w http.ResponseWriter, r *http.Request) {
	r, leave := s.enter(r)
	defer leave()

	form := url.Values{"Action": {iotOperation}}
	path, query := target(r)
	name, complete := strings.CutSuffix(strings.TrimPrefix(path, aliasesPath), "/credentials")
	form.Set("roleAlias", name)
	if thing := r.Header.Get(thingHeader); thing != "" {
		form.Set("thingName", thing)
	}
	x := s.begin(r, form)
	s.lock()
	alias, known := s.aliases[name]
	s.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1))

	var no *refusal
	var leaf *x509.Certificate
	switch {
	case r.Method != http.MethodGet || query != "" || len(body) > 0 || err != nil:
		no = malformed("InvalidRequestException", "It is not a GET without a query and without a body.")
	case len(r.Header.Values(thingHeader)) > 1:
		no = malformed("InvalidRequestException", "There are two thing names.")
	default:
		leaf, no = deviceOf(r)
	}
	if no == nil && (!known || !complete) {
		no = &refusal{status: http.StatusNotFound, message: "Role alias does not exist"}
	}
	if no == nil {
		x.call.Caller, x.call.AccessKeyID = leaf.Subject.String(), leaf.SerialNumber.String()
		no = alias.allows(leaf, r, x.now)
	}
	x.finish(w, r, no, deviceRefusal, func() (*response, *refusal) { return x.deviceSession(alias, leaf) })
}

// deviceOf returns the certificate of the device. TLS has verified that the device has its key.
func deviceOf(r *http.Request) (*x509.Certificate, *refusal) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, malformed("AccessDeniedException", "There is no certificate of the device.")
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(host) == nil && host != r.TLS.ServerName {
		return nil, malformed("AccessDeniedException", fmt.Sprintf("The host is %q, and in TLS it is %q.", host, r.TLS.ServerName))
	}
	return r.TLS.PeerCertificates[0], nil
}

// allows verifies that a device may use the role alias, with the thing that it names.
func (a RoleAlias) allows(leaf *x509.Certificate, r *http.Request, now time.Time) *refusal {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range a.Certificates {
		roots.AddCert(c)
	}
	for _, c := range r.TLS.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return &refusal{status: http.StatusForbidden, code: "AccessDeniedException", message: "Certificate is invalid on this endpoint", detail: err.Error()}
	}
	thing := r.Header.Get(thingHeader)
	switch {
	case a.Things == nil:
		return nil
	case thing == "": // the policy has the thing name as a variable
		return &refusal{status: http.StatusForbidden, message: "Access Denied"}
	case !slices.Contains(a.Things[leaf.Subject.CommonName], thing):
		return &refusal{status: http.StatusForbidden, message: "Invalid thing name passed"}
	}
	return nil
}

// deviceSession issues credentials to the owner of a certificate.
func (x *conversation) deviceSession(alias RoleAlias, leaf *x509.Certificate) (*response, *refusal) {
	role, declared := x.server.role(alias.RoleARN)
	life := alias.Duration
	if life == 0 {
		life = time.Hour
	}
	switch {
	case !declared && x.server.DenyUndeclared, role.Trusted != nil && !slices.Contains(role.Trusted, iotPrincipal):
		return nil, &refusal{status: http.StatusBadRequest, message: "Unable to assume the role, or the role to assume does not exist"}
	case role.MaxDuration > 0 && life > role.MaxDuration:
		return nil, &refusal{status: http.StatusBadRequest, message: "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role"}
	}
	id, no := roleSession(alias.RoleARN, hexHash(leaf.Raw))
	if no != nil {
		return nil, no
	}
	q := &request{server: x.server, now: x.now, form: x.call.Form, fault: x.fault}
	granted, no := q.grant(id, life)
	if no != nil {
		return nil, no
	}
	return jsonResponse(http.StatusOK, "", map[string]any{"credentials": sessionKeys(granted.Credentials)}), nil
}

// deviceRefusal is an error of the credentials provider. Most have no code.
func deviceRefusal(r *refusal) *response {
	status, code := r.status, r.code
	if code == "Throttling" { // of CallsPerSecond
		status, code = http.StatusTooManyRequests, "ThrottlingException"
	}
	a := jsonResponse(status, code, map[string]string{"message": r.message})
	if code != "" {
		a.header.Set("X-Amzn-Errortype", code)
	}
	return a
}
