package clients_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// desk is a laptop whose requests for the real host of STS reach the fake one, through a proxy: the names of the files in
// ~/.aws/cli/cache do not contain the endpoint, so stschain does not use them with a configured one.
type desk struct {
	*laptop
	aws, own string
	vars     []string
}

func newDesk(t *testing.T, settings string) *desk {
	aws := named(t, "STSCHAIN_AWSCLI", "aws; apt-get install awscli has one")
	built, err := programs()
	require.NoError(t, err)
	d := &desk{newLaptop(t), aws, built["stschain"][0], nil}
	d.sts.Lifetime = 0
	d.write(t, "config", "[profile served]\nrole_arn = arn:aws:iam::123456789012:role/served\nsource_profile = base\nregion = eu-west-1\n"+settings)
	proxy, bundle := proxyTo(t, d.sts, "sts.eu-west-1.amazonaws.com", "oidc.eu-west-1.amazonaws.com", "portal.sso.eu-west-1.amazonaws.com")
	d.vars = []string{
		"HOME=" + d.home, "AWS_PROFILE=served", "HTTPS_PROXY=" + proxy, "AWS_CA_BUNDLE=" + bundle, "AWS_STS_REGIONAL_ENDPOINTS=regional",
	}
	return d
}

// run runs a program and returns its standard output.
func (d *desk) run(t *testing.T, command ...string) []byte {
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = environment(t, d.vars...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return out
}

// process runs a command that prints credentials as a credential_process does, and returns the key ID.
func (d *desk) process(t *testing.T, command ...string) string {
	var keys struct {
		AccessKeyID string `json:"AccessKeyId"`
	}
	require.NoError(t, json.Unmarshal(d.run(t, command...), &keys))
	require.NotEmpty(t, keys.AccessKeyID)
	return keys.AccessKeyID
}

// identify has the AWS CLI call STS, and returns the key ID of the signature.
func (d *desk) identify(t *testing.T) string {
	d.run(t, d.aws, "sts", "get-caller-identity")
	calls := d.sts.Calls()
	last := calls[len(calls)-1]
	require.Equal(t, "GetCallerIdentity", last.Operation)
	require.Regexp(t, "^arn:aws:sts::123456789012:assumed-role/served/", last.Caller)
	return last.AccessKeyID
}

// TestCLICache: the AWS CLI and stschain use each other's sessions of a role, without a call of STS.
func TestCLICache(t *testing.T) {
	for name, settings := range map[string]string{
		"role":           "",
		"named session":  "role_session_name = clients\n",
		"other settings": "role_session_name = clients\nexternal_id = x@y\nduration_seconds = 7200\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("of the AWS CLI", func(t *testing.T) {
				d := newDesk(t, settings)
				used := d.identify(t)
				require.Equal(t, used, d.process(t, d.own, "process"))
				require.Equal(t, used, d.process(t, d.own, "process"))
				require.Equal(t, 1, d.sts.Count("AssumeRole"))
				require.NotEqual(t, used, d.process(t, d.own, "process", "-no-cache"))
				require.Equal(t, 2, d.sts.Count("AssumeRole"))
			})
			t.Run("of stschain", func(t *testing.T) {
				d := newDesk(t, settings)
				used := d.process(t, d.own, "process", "-share-with-aws-cli")
				require.Equal(t, used, d.identify(t))
				require.Equal(t, used, d.identify(t))
				require.Equal(t, 1, d.sts.Count("AssumeRole"))
			})
			t.Run("not shared", func(t *testing.T) {
				d := newDesk(t, settings)
				used := d.process(t, d.own, "process")
				require.NoDirExists(t, filepath.Join(d.home, ".aws", "cli"))
				require.NotEqual(t, used, d.identify(t))
				require.Equal(t, 2, d.sts.Count("AssumeRole"))
			})
		})
	}
}

// TestCLICacheOfSSO: the same for a role in IAM Identity Center, whose credentials version 2 of the AWS CLI caches.
func TestCLICacheOfSSO(t *testing.T) {
	d := newDesk(t, "[profile sso]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = served\nregion = eu-west-1\n"+
		"[sso-session work]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\nsso_registration_scopes = sso:account:access\n")
	if out := d.run(t, d.aws, "--version"); !bytes.HasPrefix(out, []byte("aws-cli/2")) {
		t.Skipf("%s is not version 2: %s", d.aws, out)
	}
	d.vars = append(d.vars, "AWS_PROFILE=sso")
	o := &office{d.laptop, d.sts.AddIdentityCenter(ststest.IdentityCenter{StartURL: "https://example.awsapps.com/start", Interval: time.Second}), d.vars}
	o.signIn(t, d.own, "login", "-device-code")
	used := d.identify(t)
	require.Equal(t, used, d.process(t, d.own, "process"))
	require.Equal(t, 1, d.sts.Count("GetRoleCredentials"))

	d.run(t, d.own, "logout")
	entries, err := os.ReadDir(filepath.Join(d.home, ".aws", "cli", "cache"))
	require.NoError(t, err)
	require.Empty(t, entries)
	o.signIn(t, d.own, "login", "-device-code")
	used = d.process(t, d.own, "process", "-share-with-aws-cli")
	require.Equal(t, used, d.identify(t))
	require.Equal(t, 2, d.sts.Count("GetRoleCredentials"))
}

// TestProcessOfRole: a hundred runs of stschain process for a role are one call of STS, and a run takes at most a tenth of one of
// aws configure export-credentials. The AWS CLI has the session in its cache, too.
func TestProcessOfRole(t *testing.T) {
	d := newDesk(t, "")
	export := []string{d.aws, "configure", "export-credentials", "--profile", "served"}
	d.process(t, d.own, "process", "-share-with-aws-cli")
	d.process(t, export...)
	took := func(command ...string) time.Duration {
		begun := time.Now()
		d.process(t, command...)
		return time.Since(begun)
	}
	var own, theirs []time.Duration
	for range 11 {
		for range 9 {
			own = append(own, took(d.own, "process"))
		}
		theirs = append(theirs, took(export...))
	}
	require.Len(t, own, 99)
	require.Equal(t, 1, d.sts.Count("AssumeRole"))
	require.Len(t, d.sts.Calls(), 1)
	slices.Sort(own)
	slices.Sort(theirs)
	p50, cli := own[len(own)/2], theirs[len(theirs)/2]
	t.Logf("stschain process: p50 %v, minimum %v; aws configure export-credentials: p50 %v, minimum %v; ratio of p50 %.3f, of minima %.3f",
		p50, own[0], cli, theirs[0], float64(p50)/float64(cli), float64(own[0])/float64(theirs[0]))
	// A load that comes and goes shifts one of the two figures, not both.
	require.True(t, 10*p50 <= cli || 10*own[0] <= theirs[0], "%v and %v", p50, cli)
}

// proxyTo starts a proxy that connects every client to a fake STS with a certificate for the hosts. It returns its URL, and the file
// of the certificate.
func proxyTo(t *testing.T, sts *ststest.Server, hosts ...string) (url, bundle string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a fake of AWS"}, DNSNames: hosts, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	bundle = filepath.Join(t.TempDir(), "bundle.pem")
	require.NoError(t, os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600))

	tunnels := tunnels{make(chan net.Conn), make(chan struct{})}
	secure := &http.Server{Handler: sts, TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}}
	ended := make(chan error, 1)
	go func() { ended <- secure.ServeTLS(tunnels, "", "") }()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !slices.Contains(hosts, strings.TrimSuffix(r.Host, ":443")) {
			http.Error(w, "no such host", http.StatusBadGateway)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
			conn.Close()
			return
		}
		select {
		case tunnels.accepted <- conn:
		case <-tunnels.closed:
			conn.Close()
		}
	}))
	t.Cleanup(func() {
		secure.Shutdown(context.Background())
		secure.Close()
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
		proxy.Close()
	})
	return proxy.URL, bundle
}

// tunnels is a listener for the connections of a proxy.
type tunnels struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (l tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l tunnels) Close() error   { close(l.closed); return nil }
func (l tunnels) Addr() net.Addr { return &net.TCPAddr{} }
