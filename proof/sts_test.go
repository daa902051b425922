package proof_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func clusterHeader(cluster string) http.Header { return http.Header{"X-K8s-Aws-Id": {cluster}} }

// fakeSTS returns an STS and a client of it, with the keys of a role.
func fakeSTS(t *testing.T) (*ststest.Server, *stsquery.Client) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("SignatureDoesNotMatch", "IncompleteSignature")
	srv.Clock = fakeClock()
	srv.AddKeys("arn:aws:sts::123456789012:assumed-role/web/session", stschain.Credentials{
		AccessKeyID: "ASIAEXAMPLEEXAMPLE00", SecretAccessKey: stschain.NewSecret(secretKey), SessionToken: stschain.NewSecret(sessionToken),
	})
	keys := stschain.Static("ASIAEXAMPLEEXAMPLE00", secretKey, sessionToken)
	return srv, &stsquery.Client{Credentials: keys, Region: region, HTTPClient: srv.Client(), Clock: srv.Clock}
}

// STS confirms a token for its cluster, and for no other.
func TestEKS(t *testing.T) {
	srv, c := fakeSTS(t)
	token, err := (&proof.EKS{Client: c, Cluster: "production"}).Token(t.Context())
	require.NoError(t, err)
	u := fromEKS(t, token.Value.Reveal())
	require.Equal(t, "https://sts.eu-west-1.amazonaws.com/", u.Scheme+"://"+u.Host+u.Path)
	q := u.Query()
	require.Equal(t, "60", q.Get("X-Amz-Expires"))
	require.Equal(t, "20261121T120000Z", q.Get("X-Amz-Date"))
	require.Equal(t, "host;x-k8s-aws-id", q.Get("X-Amz-SignedHeaders"))
	for name, values := range q {
		require.Len(t, values, 1, name)
		require.Contains(t, []string{"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
			"X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders"}, name, "verifiers accept no others")
	}
	status, text := send(t, srv, "GET", u.String(), clusterHeader("production"), "")
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, "assumed-role/web/session")
	for _, other := range []http.Header{clusterHeader("staging"), {}} {
		status, _ = send(t, srv, "GET", u.String(), other, "")
		require.Equal(t, http.StatusForbidden, status)
	}
}

func TestEKSRefusals(t *testing.T) {
	c := client(example, fakeClock())
	for want, e := range map[string]*proof.EKS{
		"Client is missing":                  {Cluster: "production"},
		"Cluster is missing":                 {Client: c},
		"Cluster is not valid in a header":   {Client: c, Cluster: "production "},
		"Client.Region is missing":           {Client: &stsquery.Client{Credentials: example}, Cluster: "production"},
		"Client.Credentials is missing":      {Client: &stsquery.Client{Region: region}, Cluster: "production"},
		"Client.Endpoint is not a plain STS": {Client: &stsquery.Client{Credentials: example, Region: region, Endpoint: "https://minio.example/sts"}, Cluster: "production"},
		"clusters accept 4096": {Client: client(stschain.Static("AKIDEXAMPLE", secretKey, strings.Repeat("x", 3000)), nil),
			Cluster: "production"},
	} {
		token, err := e.Token(t.Context())
		require.ErrorContains(t, err, "proof: no EKS token: ")
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent, want)
		require.Zero(t, token)
	}
}

func TestExecCredential(t *testing.T) {
	e := &proof.EKS{Client: client(example, fakeClock()), Cluster: "production"}
	token, err := e.Token(t.Context())
	require.NoError(t, err)
	for info, version := range map[string]string{
		"": "v1beta1",
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":true}}`: "v1beta1",
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}`:     "v1",
	} {
		credential, err := e.ExecCredential(t.Context(), info)
		require.NoError(t, err)
		require.Equal(t, token.Expires, credential.Expires)
		require.Equal(t, `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/`+version+`","spec":{},`+
			`"status":{"expirationTimestamp":"2026-11-21T12:14:00Z","token":"`+token.Value.Reveal()+`"}}`, credential.Value.Reveal())
	}
	for info, want := range map[string]string{
		"v1":                        "not an ExecCredential in JSON",
		"{}":                        "not an ExecCredential in JSON",
		`{"kind":"Pod"}`:            "not an ExecCredential in JSON",
		`{"kind":["x"]}`:            "not an ExecCredential in JSON",
		`{"kind":"ExecCredential"}`: `the version ""`,
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1alpha1"}`: `the version "client.authentication.k8s.io/v1alpha1"`,
	} {
		_, err := e.ExecCredential(t.Context(), info)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
	_, err = (&proof.EKS{Client: e.Client}).ExecCredential(t.Context(), "")
	require.EqualError(t, err, "proof: no ExecCredential: Cluster is missing: a token without it could be used anywhere")
}

// STS confirms a Vault login, for one server.
func TestVault(t *testing.T) {
	srv, c := fakeSTS(t)
	token, err := (&proof.Vault{Client: c, ServerID: "vault.example.com", Role: "web"}).Token(t.Context())
	require.NoError(t, err)
	var login struct {
		Role    string
		Method  string `json:"iam_http_request_method"`
		URL     []byte `json:"iam_request_url"`
		Body    []byte `json:"iam_request_body"`
		Headers []byte `json:"iam_request_headers"`
	}
	require.NoError(t, json.Unmarshal([]byte(token.Value.Reveal()), &login))
	require.Equal(t, "web", login.Role)
	require.Equal(t, "POST", login.Method)
	require.Equal(t, "https://sts.eu-west-1.amazonaws.com/", string(login.URL))
	require.Equal(t, "Action=GetCallerIdentity&Version=2011-06-15", string(login.Body))
	var headers http.Header
	require.NoError(t, json.Unmarshal(login.Headers, &headers))
	require.Contains(t, headers.Get("Authorization"), "SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token;x-vault-aws-iam-server-id,")
	require.Len(t, headers, 6, "Vault sends them all, and refuses some: %v", headers)

	status, text := send(t, srv, login.Method, string(login.URL), headers, string(login.Body))
	require.Equal(t, http.StatusOK, status, text)
	headers.Set("X-Vault-Aws-Iam-Server-Id", "other.example.com")
	status, _ = send(t, srv, login.Method, string(login.URL), headers, string(login.Body))
	require.Equal(t, http.StatusForbidden, status)
}

// STS confirms the request that Google sends, for one provider.
func TestGCP(t *testing.T) {
	srv, c := fakeSTS(t)
	token, err := (&proof.GCP{Client: c, Audience: audience}).Token(t.Context())
	require.NoError(t, err)
	text, err := url.QueryUnescape(token.Value.Reveal())
	require.NoError(t, err)
	var subject struct {
		URL, Method string
		Headers     []struct{ Key, Value string }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &subject))
	require.Equal(t, "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", subject.URL)
	require.Equal(t, "POST", subject.Method)
	var names []string
	req := httptest.NewRequest(subject.Method, subject.URL, nil)
	for _, h := range subject.Headers {
		names = append(names, h.Key)
		req.Header.Set(h.Key, h.Value)
	}
	require.Equal(t, []string{"Authorization", "Host", "X-Amz-Date", "X-Amz-Security-Token", "X-Goog-Cloud-Target-Resource"}, names)
	require.Equal(t, audience, req.Header.Get("X-Goog-Cloud-Target-Resource"))

	sts := srv.Protect("sts", region, nil)
	resp := httptest.NewRecorder()
	sts.ServeHTTP(resp, req)
	require.Equal(t, http.StatusOK, resp.Code, resp.Body)
	req.Header.Set("X-Goog-Cloud-Target-Resource", audience+"2")
	resp = httptest.NewRecorder()
	sts.ServeHTTP(resp, req)
	require.Equal(t, http.StatusForbidden, resp.Code)
}

// The path and the query of an endpoint are kept.
func TestGCPEndpoint(t *testing.T) {
	c := &stsquery.Client{Credentials: example, Region: region, Endpoint: "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/x?y=z"}
	token, err := (&proof.GCP{Client: c, Audience: audience}).Token(t.Context())
	require.NoError(t, err)
	require.Contains(t, token.Value.Reveal(), url.QueryEscape(`"https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/x?y=z\u0026Action=GetCallerIdentity\u0026Version=2011-06-15"`))
	require.Contains(t, token.Value.Reveal(), url.QueryEscape("/eu-west-1/sts/aws4_request"), "the service is not the first label of the host")
}

// The audience is in the signature, both ways.
func TestCallerIdentity(t *testing.T) {
	for _, name := range []string{"X-LakeFS-Server-ID", "x-ddog-org-id", "X-Consul-IAM-ServerID"} {
		t.Run(name, func(t *testing.T) {
			srv, c := fakeSTS(t)
			id := &proof.CallerIdentity{Client: c, Header: name, Audience: "a name, of 1 (one)"}
			token, err := id.URL(t.Context())
			require.NoError(t, err)
			u, err := url.Parse(token.Value.Reveal())
			require.NoError(t, err)
			require.Equal(t, "host;"+strings.ToLower(name), u.Query().Get("X-Amz-SignedHeaders"))
			require.Equal(t, "900", u.Query().Get("X-Amz-Expires"))
			header := http.Header{}
			header.Set(name, id.Audience)
			status, text := send(t, srv, "GET", u.String(), header, "")
			require.Equal(t, http.StatusOK, status, text)
			header.Set(name, "another")
			status, _ = send(t, srv, "GET", u.String(), header, "")
			require.Equal(t, http.StatusForbidden, status)

			r, err := id.Request(t.Context())
			require.NoError(t, err)
			require.Equal(t, start.Add(15*time.Minute), r.Expires)
			header = r.Reveal()
			require.Equal(t, id.Audience, header.Get(name))
			require.True(t, slices.IsSortedFunc(r.Header, func(a, b proof.Header) int { return strings.Compare(a.Name, b.Name) }))
			status, text = send(t, srv, r.Method, r.URL, header, r.Body)
			require.Equal(t, http.StatusOK, status, text)
			header.Set(name, "another")
			status, _ = send(t, srv, r.Method, r.URL, header, r.Body)
			require.Equal(t, http.StatusForbidden, status)
		})
	}
}

// A header that would not bind the token to its audience is refused.
func TestCallerIdentityHeader(t *testing.T) {
	c := client(example, fakeClock())
	for _, name := range []string{
		"Host", "host", "Content-Type", "content-length", "X-Amz-Date", "x-amz-anything", "Authorization", "User-Agent",
		"Connection", "Traceparent", "X-Forwarded-For", "", "two words", "colon:", "bad\n", "größe",
	} {
		t.Run(name, func(t *testing.T) {
			id := &proof.CallerIdentity{Client: c, Header: name, Audience: "lake"}
			token, err := id.URL(t.Context())
			require.Error(t, err)
			require.Zero(t, token)
			r, err := id.Request(t.Context())
			require.Error(t, err)
			require.Zero(t, r)
		})
	}
}

func TestAudienceIsRequired(t *testing.T) {
	c := client(example, fakeClock())
	for name, with := range map[string]func(audience string) maker{
		"EKS":            func(a string) maker { return (&proof.EKS{Client: c, Cluster: a}).Token },
		"Vault":          func(a string) maker { return (&proof.Vault{Client: c, ServerID: a}).Token },
		"GCP":            func(a string) maker { return (&proof.GCP{Client: c, Audience: a}).Token },
		"CallerIdentity": func(a string) maker { return (&proof.CallerIdentity{Client: c, Header: "X-Verifier", Audience: a}).URL },
		"WebIdentity":    func(a string) maker { return (&proof.WebIdentity{Client: c, Audience: []string{a}}).Token },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := with("")(t.Context())
			require.ErrorContains(t, err, " is missing: a token without it could be used anywhere")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			if name == "WebIdentity" {
				return // it is not a header there
			}
			for _, a := range []string{" ", " a", "a ", "a  b", "a\tb", "a\nb", "a\x00b", "ä", "a\x7f"} {
				_, err := with(a)(t.Context())
				require.ErrorContains(t, err, "not valid in a header", "%q", a)
				require.ErrorIs(t, err, stschain.ErrPermanent)
			}
		})
	}
}
