package ststest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/ststest"
)

// tokenRequests returns the requests for access tokens as they are sent.
func tokenRequests(t testing.TB, srv *ststest.Server, mock *clock.Mock) map[string][]byte {
	var sent bytes.Buffer
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if err := r.Write(&sent); err != nil {
			return nil, err
		}
		return nil, io.EOF
	})}
	requests := map[string][]byte{}
	for name, p := range map[string]interface {
		Token(context.Context) (proof.Token, error)
	}{
		"CreateBearerToken":        &proof.Bearer{Credentials: srv.User(), Region: "eu-west-1", Resource: "ecr.amazonaws.com", Duration: time.Hour, HTTPClient: client, Clock: mock, MaxAttempts: 1},
		"CreateOAuth2TokenWithIAM": &proof.Bearer{Credentials: srv.User(), Region: "eu-west-1", Resource: "aws-mcp.amazonaws.com", OAuth: true, HTTPClient: client, Clock: mock, MaxAttempts: 1},
		"CreateOAuth2TokenWithTokenExchange": &proof.TokenExchange{
			SubjectToken: func(context.Context) (stschain.Secret, error) { return srv.Issuer().Token(nil), nil },
			Region:       "eu-west-1", Resource: "glue.amazonaws.com", HTTPClient: client, Clock: mock, MaxAttempts: 1,
		},
	} {
		sent.Reset()
		_, err := p.Token(t.Context())
		require.ErrorIs(t, err, io.EOF)
		requests[name] = bytes.Clone(sent.Bytes())
	}
	return requests
}

// TestTokenBytes changes each byte of a request: what is signed cannot be changed, and neither can a request with a JWT.
func TestTokenBytes(t *testing.T) {
	srv, mock := fixed(t)
	for name, raw := range tokenRequests(t, srv, mock) {
		t.Run(name, func(t *testing.T) {
			rec, ok := serve(srv, raw)
			require.True(t, ok)
			require.Equal(t, 200, rec.Code, rec.Body)
			srv.AllowRefusals()
			free := []string{"User-Agent:", "Accept:"} // not signed
			if name == "CreateOAuth2TokenWithTokenExchange" {
				free = append(free, "Host:") // the server is for any host
			}
			refused := 0
			for i := range raw {
				changed := bytes.Clone(raw)
				changed[i]++
				rec, ok := serve(srv, changed)
				line := string(raw[bytes.LastIndexByte(raw[:i], '\n')+1:])
				if !ok || rec.Code != 200 {
					refused++
					continue
				}
				isFree := false
				for _, header := range free {
					isFree = isFree || strings.HasPrefix(line, header)
				}
				if !isFree { // the same request in another form: the case of a header's name, a scheme, white space
					require.Equal(t, canonicalForm(t, raw), canonicalForm(t, changed), "the change of byte %d, %q, is accepted: %s", i, raw[max(i-20, 0):i+1], rec.Body)
				}
			}
			require.Greater(t, refused, len(raw)*3/4)
		})
	}
}

// TestTokenRefusals changes a request before it is sent.
func TestTokenRefusals(t *testing.T) {
	const bearer, exchange = "CreateBearerToken", "CreateOAuth2TokenWithTokenExchange"
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(s)) }
	}
	header := func(name, old, new string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, strings.Replace(r.Header.Get(name), old, new, 1)) }
	}
	query := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.RequestURI = "/v1/token" + s }
	}
	for name, tt := range map[string]struct {
		of      string
		change  func(*http.Request)
		code    string
		message string
	}{
		"GET":               {bearer, func(r *http.Request) { r.Method = http.MethodGet }, "ValidationException", "not a POST"},
		"no query":          {bearer, query(""), "ValidationException", "exactly one parameter"},
		"two parameters":    {bearer, query("?x-amz-token-request-type=bearer&x-amz-client-auth-method=iam"), "ValidationException", "exactly one parameter"},
		"unknown operation": {bearer, query("?x-amz-token-request-type=x"), "ValidationException", "known operation"},
		"another operation": {bearer, query("?x-amz-client-auth-method=iam"), "ValidationException", "duration"},
		"content type":      {bearer, header("Content-Type", "json", "xml"), "ValidationException", "not a POST of a JSON"},
		"not JSON":          {bearer, body("grant_type=client_credentials"), "ValidationException", "not a POST of a JSON"},
		"twice":             {bearer, body(`{"grant_type":"client_credentials","grant_type":"x","resource":"r"}`), "ValidationException", "not a POST of a JSON"},
		"no resource":       {bearer, body(`{"grant_type":"client_credentials"}`), "ValidationException", "resource is missing"},
		"resource":          {bearer, body(`{"grant_type":"client_credentials","resource":"ecr"}`), "ValidationException", "resource is not"},
		"grant type":        {bearer, body(`{"grant_type":"x","resource":"ecr.amazonaws.com"}`), "ValidationException", "grant_type is not"},
		"member":            {bearer, body(`{"grant_type":"client_credentials","resource":"ecr.amazonaws.com","x":"y"}`), "ValidationException", `x\" is unknown`},
		"type":              {bearer, body(`{"grant_type":"client_credentials","resource":1}`), "ValidationException", `resource\" is unknown, or has`},
		"short":             {bearer, body(`{"grant_type":"client_credentials","resource":"ecr.amazonaws.com","duration":299}`), "ValidationException", "duration is not"},
		"long":              {bearer, body(`{"grant_type":"client_credentials","resource":"ecr.amazonaws.com","duration":43201}`), "ValidationException", "duration is not"},
		"fraction":          {bearer, body(`{"grant_type":"client_credentials","resource":"ecr.amazonaws.com","duration":900.5}`), "ValidationException", "duration is not"},
		"another body":      {bearer, body(`{"grant_type":"client_credentials","resource":"ecr.amazonaws.com","duration":900}`), "InvalidSignatureException", "signature we calculated"},
		"no signature":      {bearer, func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException", "missing Authentication Token"},
		"key":               {bearer, header("Authorization", "Credential=", "Credential=X"), "UnrecognizedClientException", "token included"},
		"service":           {bearer, header("Authorization", "/signin/", "/sts/"), "InvalidSignatureException", "correct service"},
		"region":            {bearer, header("Authorization", "/eu-west-1/", "/eu-west-2/"), "InvalidSignatureException", "valid region"},
		"date":              {bearer, header("X-Amz-Date", "T120000Z", "T114459Z"), "InvalidSignatureException", "Signature expired"},
		"session token":     {bearer, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, "UnrecognizedClientException", "token included"},
		"not a JWT":         {exchange, body(`{"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange","resource":"glue.amazonaws.com","subject_token":"a.b.c","subject_token_type":"urn:ietf:params:oauth:token-type:jwt"}`), "InvalidGrantException", "not a valid JWT"},
		"subject type":      {exchange, body(`{"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange","resource":"glue.amazonaws.com","subject_token":"a.b.c","subject_token_type":"jwt"}`), "ValidationException", "subject_token_type"},
		"other resource":    {exchange, body(`{"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange","resource":"ecr.amazonaws.com","subject_token":"a.b.c","subject_token_type":"urn:ietf:params:oauth:token-type:jwt"}`), "ValidationException", "resource is not"},
		"scope":             {exchange, body(`{"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange","resource":"glue.amazonaws.com","scope":"openid","subject_token":"a.b.c","subject_token_type":"urn:ietf:params:oauth:token-type:jwt"}`), "InvalidScopeException", "ARNs of managed policies"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, mock := fixed(t)
			srv.AllowRefusals(tt.code)
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(tokenRequests(t, srv, mock)[tt.of])))
			require.NoError(t, err)
			tt.change(r)
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, r)
			require.NotEqual(t, 200, rec.Code)
			require.Equal(t, tt.code, rec.Header().Get("X-Amzn-Errortype"), rec.Body)
			require.Contains(t, rec.Body.String(), tt.message)
			var doc map[string]string
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &doc))
			require.Equal(t, tt.code, doc["__type"])
		})
	}
}

// What is exchanged must be a JWT of an issuer that the server trusts, for its audience, that is valid.
func TestTokenExchangeSubjects(t *testing.T) {
	srv, mock := fixed(t)
	srv.AllowRefusals()
	revoked := srv.Issuer().Token(nil)
	srv.Issuer().Revoke(revoked)
	stranger := ststest.NewIssuer("https://stranger.example")
	for name, tt := range map[string]struct {
		token stschain.Secret
		want  string // "": it is accepted
	}{
		"good":           {srv.Issuer().Token(nil), ""},
		"expired":        {srv.Issuer().Token(map[string]any{"exp": start.Add(-time.Second).Unix()}), "Token expired"},
		"about to":       {srv.Issuer().Token(map[string]any{"exp": float64(start.UnixMilli()+500) / 1000}), "about to expire"},
		"no expiry":      {srv.Issuer().Token(map[string]any{"exp": nil}), "exp"},
		"not yet":        {srv.Issuer().Token(map[string]any{"nbf": start.Add(time.Minute).Unix()}), "not yet valid"},
		"audience":       {srv.Issuer().Token(map[string]any{"aud": "x"}), "audience"},
		"no subject":     {srv.Issuer().Token(map[string]any{"sub": nil}), "subject"},
		"revoked":        {revoked, "revoked"},
		"another issuer": {stranger.Token(nil), "issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			x := &proof.TokenExchange{
				SubjectToken: func(context.Context) (stschain.Secret, error) { return tt.token, nil },
				Region:       "eu-west-1", Resource: "glue.amazonaws.com", HTTPClient: srv.Client(), Clock: mock,
			}
			token, err := x.Token(t.Context())
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				require.ErrorIs(t, err, stschain.ErrPermanent)
				return
			}
			require.NoError(t, err)
			claims, err := srv.SignIn().Verify(token.Value, mock.Now())
			require.NoError(t, err)
			require.Equal(t, "glue.amazonaws.com", claims["aud"])
		})
	}
	calls := srv.Calls()
	last := calls[len(calls)-1]
	require.Equal(t, "CreateOAuth2TokenWithTokenExchange", last.Operation)
	require.Equal(t, "[redacted]", last.Form.Get("subject_token"))
	require.False(t, last.Token.IsZero())
}

// Faults of the server apply to access tokens in their own form.
func TestTokenFaults(t *testing.T) {
	srv, mock := fixed(t)
	for want, fault := range map[string]ststest.Fault{
		"429 Too Many Requests: TooManyRequestsError: rate_exceeded: Rate exceeded": ststest.Throttle(),
		"400 Bad Request: AccessDeniedException: INSUFFICIENT_PERMISSIONS: no":      ststest.Refuse(400, "AccessDeniedException", "no"),
		"503 Service Unavailable: unexpected response":                              ststest.HTML(503),
		"200 OK: unexpected response":                                               ststest.EmptyBody(),
	} {
		srv.FailAll(fault)
		b := &proof.Bearer{Credentials: srv.User(), Region: "eu-west-1", Resource: "ecr.amazonaws.com", HTTPClient: srv.Client(), Clock: mock, MaxAttempts: 1}
		_, err := b.Token(t.Context())
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, 4, srv.Count("CreateBearerToken"))
}
