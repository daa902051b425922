package ststest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

func TestZeroServer(t *testing.T) {
	var srv ststest.Server
	defer srv.Close()
	require.Equal(t, 200, whoAmI(t, &srv, srv.User().Credentials).status)
	new(ststest.Server).Close()

	_, err := ststest.User{}.Retrieve(t.Context())
	require.ErrorContains(t, err, "User.Credentials")
}

func TestNewTestReports(t *testing.T) {
	fake := &fakeT{}
	srv := ststest.NewTest(fake)
	srv.DenyUndeclared = true
	bad := srv.User().Credentials
	bad.SecretAccessKey = stschain.NewSecret("wrong")
	bad.SessionToken = stschain.Secret{}

	require.Equal(t, 403, whoAmI(t, srv, bad).status)
	require.Contains(t, fake.reports(), "ststest: refused GetCallerIdentity: SignatureDoesNotMatch: ")
	require.Contains(t, fake.reports(), "canonical request:\nPOST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:sts.eu-west-1.amazonaws.com\n")

	stranger := bad
	stranger.AccessKeyID = "AKIDEXAMPLE"
	whoAmI(t, srv, stranger)
	require.Contains(t, fake.reports(), "is invalid: the access key ID AKIDEXAMPLE is not known here")

	// What any client may run into is not reported.
	n := len(fake.errors)
	srv.FailNext(ststest.Throttle())
	whoAmI(t, srv, srv.User().Credentials)
	require.Equal(t, "AccessDenied", assume(t, srv, srv.User().Credentials).code())
	require.Len(t, fake.errors, n)

	srv.AllowRefusals("SignatureDoesNotMatch")
	whoAmI(t, srv, bad)
	require.Len(t, fake.errors, n)
	call(t, srv, srv.User().Credentials, form("GetCallerIdentity", "x", "y"))
	require.Len(t, fake.errors, n+1, "another code")
	srv.AllowRefusals()
	call(t, srv, srv.User().Credentials, form("GetCallerIdentity", "x", "y"))
	require.Len(t, fake.errors, n+1)

	fake.end()
	_, err := srv.Client().Do(signed(t.Context(), host, whoAmIBody, bad, time.Now()))
	require.ErrorIs(t, err, io.EOF, "it is closed with the test")
	require.Len(t, fake.errors, n+1)
}

func TestMistakesAreAnswered(t *testing.T) {
	for name, mistake := range map[string]func(*ststest.Server){
		"Role.ARN":         func(s *ststest.Server) { s.AddRole(ststest.Role{ARN: "backup"}) },
		"Role.MaxDuration": func(s *ststest.Server) { s.AddRole(ststest.Role{ARN: roleARN, MaxDuration: -1}) },
		"Issuer.URL":       func(s *ststest.Server) { s.AddIssuer(&ststest.Issuer{}) },
		"Issuer.Algorithm": func(s *ststest.Server) { s.AddIssuer(&ststest.Issuer{URL: "https://x", Algorithm: "HS256"}) },
		"AddTOTP":          func(s *ststest.Server) { s.AddTOTP("") },
		"TradeInToken":     func(s *ststest.Server) { s.TradeInToken("alice", 0) },
		"MFA.Serial":       func(s *ststest.Server) { s.AddMFA(ststest.MFA{}) },
		"AccessKeyID":      func(s *ststest.Server) { s.AddKeys("arn:aws:iam::123456789012:user/x", stschain.Credentials{}) },
		"AddUser":          func(s *ststest.Server) { s.AddUser("") },
		"ARN of a user":    func(s *ststest.Server) { s.AddUser("arn:aws:iam::1:user/x") },
		"AddKeys":          func(s *ststest.Server) { s.AddKeys("x", stschain.Credentials{}) },
		"service":          func(s *ststest.Server) { s.Protect("", "", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			fake := &fakeT{}
			srv := ststest.NewTest(fake)
			mistake(srv)
			require.Contains(t, fake.reports(), name)
			got := whoAmI(t, srv, srv.User().Credentials)
			require.Equal(t, 500, got.status)
			require.Equal(t, "InternalFailure", got.code())
			require.Contains(t, got.Error.Message, name)
		})
	}
}

func TestCalls(t *testing.T) {
	srv, mock := fixed(t)
	var seen []ststest.Call
	srv.OnCall = func(c ststest.Call) { seen = append(seen, c); mock.Add(time.Second) }
	user := srv.User()
	assume(t, srv, user.Credentials, "TokenCode", "123456", "SerialNumber", "123456789")
	whoAmI(t, srv, user.Credentials)

	calls := srv.Calls()
	require.Len(t, calls, 2)
	require.Equal(t, 2, srv.Count(""))
	require.Equal(t, 1, srv.Count("AssumeRole"))
	require.Equal(t, 0, srv.Count("GetSessionToken"))
	got := calls[0]
	require.Equal(t, "AssumeRole", got.Operation)
	require.Equal(t, "123456", got.Form.Get("TokenCode"))
	require.Equal(t, user.ARN, got.Caller)
	require.Equal(t, user.Credentials.AccessKeyID, got.AccessKeyID)
	require.Equal(t, "eu-west-1", got.Region)
	require.Equal(t, "sts.eu-west-1.amazonaws.com", got.Host)
	require.False(t, got.Presigned)
	require.Equal(t, 403, got.Status)
	require.Equal(t, "AccessDenied", got.Code)
	require.Equal(t, start, got.Time)
	require.Equal(t, start.Add(time.Second), calls[1].Time)
	require.Equal(t, 200, calls[1].Status)
	require.Empty(t, got.Header.Get("Authorization"))
	require.NotEmpty(t, got.Header.Get("X-Amz-Date"))

	require.Len(t, seen, 2)
	require.Equal(t, "AssumeRole", seen[0].Operation)
	require.Zero(t, seen[0].Status, "no response yet")

	calls[0].Form.Set("TokenCode", "x")
	require.Equal(t, "123456", srv.Calls()[0].Form.Get("TokenCode"), "what Calls returns is the caller's own")
}

func TestCallsAreBounded(t *testing.T) {
	srv := ststest.New()
	for range 11_000 {
		srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/?Action=Nothing", nil))
	}
	require.LessOrEqual(t, len(srv.Calls()), 10_000)
	require.Equal(t, 11_000, srv.Count(""))
}

func TestSessionsAreBounded(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("InvalidClientTokenId")
	first := assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()
	require.Equal(t, 200, whoAmI(t, srv, first).status)
	for i := range 10_000 {
		srv.AddKeys("arn:aws:sts::123456789012:assumed-role/backup/x", stschain.Credentials{
			AccessKeyID: fmt.Sprintf("ASIAEXAMPLE%d", i), SecretAccessKey: stschain.NewSecret("s"), SessionToken: stschain.NewSecret("t"),
		})
	}
	require.Equal(t, "InvalidClientTokenId", whoAmI(t, srv, first).code(), "the oldest is forgotten")
	require.Equal(t, 200, whoAmI(t, srv, srv.User().Credentials).status, "users are not")
}

func TestNothingSecretIsPrinted(t *testing.T) {
	fake := &fakeT{}
	srv := ststest.NewTest(fake)
	user := srv.User()
	session := assume(t, srv, user.Credentials).Assumed.Credentials.credentials()
	bad := session
	bad.SecretAccessKey = stschain.NewSecret("wrong")
	whoAmI(t, srv, bad)
	require.Contains(t, fake.reports(), "x-amz-security-token:[redacted]")

	var out strings.Builder
	out.WriteString(fake.reports())
	for _, v := range []any{srv, user, &user, srv.Calls(), srv.Protect("s3", "", nil), srv.Client(), ststest.Role{ARN: roleARN}, ststest.Throttle()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{user, srv.Calls()} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(data)
	}
	for _, s := range []stschain.Secret{user.Credentials.SecretAccessKey, session.SecretAccessKey, session.SessionToken} {
		require.NotContains(t, out.String(), s.Reveal())
		require.NotContains(t, out.String(), fmt.Sprintf("%x", s.Reveal()))
	}
}

func TestConcurrentCalls(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddMFA(ststest.MFA{Serial: "arn:aws:iam::123456789012:mfa/alice", Codes: []string{"123456"}})
	user, userARN := srv.User().Credentials, srv.User().ARN
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		accepted int
		keys     = map[string]bool{}
	)
	for range 50 {
		wg.Go(func() {
			v := form("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "nightly",
				"SerialNumber", "arn:aws:iam::123456789012:mfa/alice", "TokenCode", "123456")
			res, err := srv.Client().Do(signed(t.Context(), host, v.Encode(), user, time.Now()))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode == http.StatusOK {
				mu.Lock()
				accepted++
				mu.Unlock()
			}
		})
		wg.Go(func() {
			assertion := srv.Assertion(ststest.Assertion{Roles: mayBackUp})
			for _, v := range []url.Values{webIdentity(srv.Issuer().Token(nil)), withSAML(assertion)} {
				res, err := srv.Client().PostForm(host, v)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", v.Get("Action"), res.Status)
				}
			}
			srv.Issuer().Revoke(srv.Issuer().Token(nil))
			srv.AddIssuer(ststest.NewIssuer("https://x"))
			srv.AddTOTP("dave")
			srv.TradeInToken(userARN, 0)
			srv.EncodedMessage("{}")
		})
		wg.Go(func() {
			srv.AddUser("bob")
			srv.AddRole(ststest.Role{ARN: roleARN})
			srv.FailNext(ststest.Throttle().On("GetSessionToken"))
			key := srv.AddUser("carol").Credentials.AccessKeyID
			srv.Revoke(key)
			_, _ = srv.Calls(), srv.Count("")
			mu.Lock()
			defer mu.Unlock()
			if keys[key] {
				t.Errorf("%s comes twice", key)
			}
			keys[key] = true
		})
	}
	wg.Wait()
	require.Equal(t, 1, accepted, "a code is accepted once")
	require.Equal(t, 50, srv.Count("AssumeRole"))
}

func TestURL(t *testing.T) {
	srv := ststest.New()
	arrived := make(chan struct{}, 2)
	srv.OnCall = func(ststest.Call) { arrived <- struct{}{} }
	require.Equal(t, srv.URL(), srv.URL())
	transport := &http.Transport{}
	client := &http.Client{Transport: transport}
	res, err := client.Do(signed(t.Context(), srv.URL(), whoAmIBody, srv.User().Credentials, time.Now()))
	require.Equal(t, 200, read(t, res, err).status)
	<-arrived
	srv.FailAll(ststest.Hang())
	failed := make(chan error)
	go func() {
		_, err := client.Do(signed(t.Context(), srv.URL(), whoAmIBody, srv.User().Credentials, time.Now()))
		failed <- err
	}()
	<-arrived

	srv.Close()
	srv.Close()
	require.Error(t, <-failed)
	transport.CloseIdleConnections()
	var stacks strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&stacks, 2))
	for _, frame := range []string{"ststest.(*Server).ServeHTTP", "net/http.(*Server).Serve(", "ststest.(*exchange)"} {
		require.NotContains(t, stacks.String(), frame, "Close returns when no goroutine is left")
	}
	calls := len(srv.Calls())
	res, err = client.Do(signed(t.Context(), srv.URL(), whoAmIBody, srv.User().Credentials, time.Now()))
	if err == nil { // by now the port may be that of another test
		res.Body.Close()
	}
	require.Len(t, srv.Calls(), calls)
}

func TestMounted(t *testing.T) {
	srv := ststest.NewTest(t)
	mux := http.NewServeMux()
	mux.Handle("/sts/", http.StripPrefix("/sts", srv))
	client := &http.Client{Transport: ststest.InProcess(mux)}
	res, err := client.Do(signed(t.Context(), "https://gateway.example/sts/v1/", whoAmIBody, srv.User().Credentials, time.Now()))
	require.Equal(t, 200, read(t, res, err).status, "the signature is over the path as it was sent")
}
