// Package ststest is a fake AWS STS for tests and examples that verifies every request.
//
// It rebuilds the canonical request from the received request and checks the
// signature, its scope and its date, the session tokens that it issued, every
// parameter, and the limits of STS; it returns the error codes and the XML of
// STS. The verification is an independent implementation of Signature Version
// 4: it shares no code with the packages that it tests.
//
//	func TestBackup(t *testing.T) {
//		srv := ststest.NewTest(t)
//		role := &assumerole.Provider{
//			Client: &stsquery.Client{
//				Credentials: srv.User(),
//				Region:      "eu-west-1",
//				HTTPClient:  srv.Client(),
//			},
//			RoleARN: "arn:aws:iam::123456789012:role/backup",
//		}
//		...
//	}
//
// [Server.Client] opens no socket. [Server.URL] starts a loopback listener for
// programs that need an address, and a Server is an http.Handler, so that it
// can be mounted anywhere.
//
// # Identities and permissions
//
// [Server.User] exists from the start; [Server.AddUser] and [Server.AddKeys]
// add more callers. Every well-formed role may be assumed by every known caller
// until [Server.AddRole] declares it with constraints; with DenyUndeclared set,
// only declared roles can be assumed. [Server.AddTOTP] gives a user a virtual
// MFA device, [Server.AddMFA] registers others.
//
// AssumeRoleWithWebIdentity accepts the tokens of [Server.Issuer], and of
// issuers that [Server.AddIssuer] registers. AssumeRoleWithSAML accepts what
// [Server.Assertion] returns, or what VerifyAssertion accepts. Neither checks a
// signature of the request; a signature is reported as an error of the test.
//
// The tokens of GetWebIdentityToken are signed by [Server.Outbound].
// GetDelegatedAccessToken accepts those of [Server.TradeInToken], and
// DecodeAuthorizationMessage what [Server.EncodedMessage] returns.
// [Server.Federation] is the sign-in endpoint of the console. [Server.AddTrustAnchor] adds IAM Roles Anywhere,
// [Server.AddRoleAlias] the credentials provider of AWS IoT Core, [Server.AddMinIO] the operations that only MinIO
// has, and [Server.AddIdentityCenter] IAM Identity Center.
//
// What credentials may do depends on where they come from, as it does in AWS:
// in STS those of GetFederationToken may only call GetCallerIdentity, those of
// GetSessionToken also AssumeRole, and both operations require long-lived keys.
// [Server.Caller] returns the properties of a session: tags, source identity,
// MFA.
//
// # Faults
//
// A [Fault] is a scripted failure. [Server.FailNext] queues faults for the next
// calls, and [Server.FailAll] starts an outage, which [Server.Heal] ends.
// Faults behave the same in process and over a socket, and end with the context
// of the request.
//
//	srv.FailNext(ststest.Throttle(), ststest.Hang())
//
// [Server.Revoke] makes the server and the services behind [Server.Protect]
// return ExpiredToken for credentials that it issued.
//
// # Recorded calls
//
// [Server.Calls] returns the requests with their callers and results. A server
// made by [NewTest] reports requests that no correct client sends as errors of
// the test: a bad signature, an unknown parameter, a value out of range.
// Tests that send them on purpose call [Server.AllowRefusals].
package ststest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
)

// AccountID is the account of users that are added by name.
const AccountID = "123456789012"

// Server is a fake STS. The zero value is ready for use. Do not change the
// fields after the first call; the methods may be called at any time, from any
// goroutine.
type Server struct {
	Clock          stschain.Clock // nil: the system clock. It determines the date of signatures, expiry and the Date header
	Lifetime       time.Duration  // of everything issued, which may be below the limits of STS; 0: DurationSeconds
	Region         string         // required in signatures; "": the one in the host name (sts.eu-west-1.…), or any if it has none
	DenyUndeclared bool           // true: AccessDenied for roles that were not declared with AddRole
	OnCall         func(Call)     // nil: not called. Called when a call has arrived, before the response. It must not call Close

	DisabledRegions  []string // that issue no credentials: RegionDisabledException
	CallsPerSecond   int      // that are not throttled, by its clock; 0: no limit
	OutboundDisabled bool     // true: GetWebIdentityToken returns OutboundWebIdentityFederationDisabledException

	// VerifyAssertion checks the XML signature of a SAML response and returns
	// the signed XML, a Response or an Assertion: nothing else is used. For an
	// error, the response is InvalidIdentityToken. nil: only what
	// [Server.Assertion] returned is accepted. The module ststest/samlverify
	// has an implementation for the keys of an identity provider.
	VerifyAssertion func(response []byte) (signed []byte, err error)

	mu             sync.Mutex
	ready          bool // lock has initialized the server
	prefix         string
	issued         int
	keys           map[string]*identity // by access key ID
	sessions       []string             // the temporary ones among keys, the oldest first
	user           User
	roles          map[string]Role // by ARN
	devices        map[string]*device
	issuer         *Issuer
	outbound       *Issuer
	signIn         *Issuer
	issuers        map[string]*Issuer     // by URL
	anchors        map[string]TrustAnchor // by ARN
	aliases        map[string]RoleAlias   // by name
	added          map[string]added
	portal         *Portal                   // nil: no IAM Identity Center
	bucketSessions map[string]*bucketSession // of directory buckets, by access key ID
	messages       map[string]string         // decoded, by their encoded form
	tradeIns       map[stschain.Secret]tradeIn
	asserted       asserted
	consoles       map[stschain.Secret]console // by sign-in token
	second         int64                       // the current second of the clock
	inSecond       int                         // calls
	next           []Fault                     // for one call each
	always         []Fault                     // until Heal
	calls          []*Call                     // the latest
	counts         map[string]int
	total          int
	mistakes       []error // invalid configuration; the error of every call
	closed         bool
	closing        context.Context // done when Close is called
	close          context.CancelFunc
	active         sync.WaitGroup // requests in ServeHTTP; Add only under mu, while not closed

	listen struct {
		once   sync.Once
		url    string
		server *http.Server
		conns  sync.WaitGroup
		served chan struct{} // closed when the listener's goroutine has ended
	}

	report struct {
		mu      sync.Mutex
		t       TB // nil: refusals are not reported
		allowed []string
		all     bool
	}
}

// New returns a server. Close it if URL was called.
func New() *Server { return &Server{} }

// Client returns an http.Client that calls the server in process for any host. It opens no socket.
func (s *Server) Client() *http.Client { return &http.Client{Transport: InProcess(s)} }

// URL returns the address of the server, "http://127.0.0.1:port". The first call starts a listener, which Close stops.
func (s *Server) URL() string {
	s.listen.once.Do(s.startListening)
	return s.listen.url
}

func (s *Server) startListening() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		var err6 error
		if l, err6 = net.Listen("tcp6", "[::1]:0"); err6 != nil {
			s.mistake(fmt.Errorf("URL: %w", err))
			s.listen.url = "http://127.0.0.1:0"
			return
		}
	}
	s.listen.url = "http://" + l.Addr().String()

	s.lock()
	defer s.mu.Unlock()
	if s.closed {
		l.Close()
		return
	}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.listen.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.listen.conns.Done()
			}
		},
	}
	// An http.Transport resends some requests on its own when a connection that it reuses breaks. Faults must get each call once.
	server.SetKeepAlivesEnabled(false)
	s.listen.server, s.listen.served = server, make(chan struct{})
	go func() {
		defer close(s.listen.served)
		server.Serve(l) // returns when Close is called
	}()
}

// Close ends waiting calls, stops listening and returns when all goroutines of
// the server have ended. Later calls fail as if the connection broke.
func (s *Server) Close() {
	s.report.mu.Lock()
	s.report.t = nil // it must not be used after the test
	s.report.mu.Unlock()

	s.lock()
	s.closed = true
	s.close()
	server := s.listen.server
	s.mu.Unlock()

	if server != nil {
		server.Close()
		<-s.listen.served
		s.listen.conns.Wait()
	}
	s.active.Wait()
}

// String names the server. It shows no secret.
func (s *Server) String() string { return "ststest.Server" }

// Format prints String for every verb of fmt.
func (s *Server) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// lock locks the server's state, and initializes it first if necessary.
func (s *Server) lock() {
	s.mu.Lock()
	if s.ready {
		return
	}
	s.ready = true
	s.prefix = randomID(8)
	s.keys = map[string]*identity{}
	s.roles = map[string]Role{}
	s.devices = map[string]*device{}
	s.counts = map[string]int{}
	s.added = map[string]added{}
	s.issuer = &Issuer{URL: "https://oidc.example", Clock: clockFunc(s.now)}
	s.outbound = &Issuer{URL: "https://" + requestID() + ".tokens.sts.global.api.aws", Clock: clockFunc(s.now)}
	s.signIn = &Issuer{URL: "signin.amazonaws.com", Clock: clockFunc(s.now)}
	s.issuers = map[string]*Issuer{s.issuer.URL: s.issuer}
	s.messages = map[string]string{}
	s.tradeIns = map[stschain.Secret]tradeIn{}
	s.consoles = map[stschain.Secret]console{}
	s.closing, s.close = context.WithCancel(context.Background())
	s.user = s.addUser("arn:aws:iam::" + AccountID + ":user/alice")
}

// enter registers a request, and returns it with a context that also ends with Close. After Close it aborts the connection.
func (s *Server) enter(r *http.Request) (_ *http.Request, leave func()) {
	s.lock()
	defer s.mu.Unlock()
	if s.closed {
		panic(http.ErrAbortHandler)
	}
	s.active.Add(1)
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(s.closing, cancel)
	return r.WithContext(ctx), func() { stop(); cancel(); s.active.Done() }
}

func (s *Server) now() time.Time {
	if s.Clock == nil {
		return time.Now()
	}
	return s.Clock.Now()
}

// clockFunc is a clock made of a method, without fields that could be printed.
type clockFunc func() time.Time

func (f clockFunc) Now() time.Time { return f() }

// mistake records an invalid configuration of the server, which becomes the error of every call.
func (s *Server) mistake(err error) {
	s.lock()
	s.mistakes = append(s.mistakes, err)
	s.mu.Unlock()
	s.errorf("ststest: %v", err)
}

// mistaken returns the errors that mistake recorded.
func (s *Server) mistaken() error {
	s.lock()
	defer s.mu.Unlock()
	return errors.Join(s.mistakes...)
}
