//go:build cgo

package rolesanywhere_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

const pin = "4711-hunter4711"

// token is a key in a PKCS #11 token, as a crypto.Signer.
type token struct {
	library *pkcs11.Ctx
	session pkcs11.SessionHandle
	key     pkcs11.ObjectHandle
	public  crypto.PublicKey
}

func (k token) Public() crypto.PublicKey { return k.public }

// sha256Prefix is the DigestInfo of PKCS #1 v1.5 in front of a SHA-256 digest (RFC 8017, 9.2).
var sha256Prefix = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

func (k token) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 {
		return nil, errors.New("not SHA-256")
	}
	mechanism := uint(pkcs11.CKM_ECDSA)
	if _, isRSA := k.public.(*rsa.PublicKey); isRSA {
		mechanism, digest = pkcs11.CKM_RSA_PKCS, slices.Concat(sha256Prefix, digest)
	}
	if err := k.library.SignInit(k.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, k.key); err != nil {
		return nil, err
	}
	signature, err := k.library.Sign(k.session, digest)
	if err != nil || mechanism != pkcs11.CKM_ECDSA {
		return signature, err
	}
	half := len(signature) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])})
}

// TestToken creates sessions with keys that cannot leave a token, and a PIN that the user is prompted for.
func TestToken(t *testing.T) {
	util, err := exec.LookPath("softhsm2-util")
	if err != nil {
		t.Skip("no softhsm2-util; on Debian: apt-get install softhsm2")
	}
	libraries, _ := filepath.Glob("/usr/lib*/*/softhsm/libsofthsm2.so")
	more, _ := filepath.Glob("/usr/lib*/softhsm/libsofthsm2.so")
	if libraries = append(libraries, more...); len(libraries) == 0 {
		t.Skip("no libsofthsm2.so")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tokens"), 0o700))
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	run := func(args ...string) {
		t.Helper()
		out, err := exec.Command(util, args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	run("--init-token", "--free", "--label", "test", "--so-pin", pin, "--pin", pin)
	keys := map[string]crypto.Signer{"RSA": newRSA(t), "P-256": newEC(t, elliptic.P256()), "P-384": newEC(t, elliptic.P384())}
	for name, key := range keys {
		file := filepath.Join(dir, "import.pem")
		write(t, file, "PRIVATE KEY", pkcs8(t, key))
		run("--import", file, "--token", "test", "--label", name, "--id", map[string]string{"RSA": "01", "P-256": "02", "P-384": "03"}[name], "--pin", pin)
		require.NoError(t, os.Remove(file))
	}

	library := pkcs11.New(libraries[0])
	require.NotNil(t, library)
	defer library.Destroy()
	require.NoError(t, library.Initialize())
	defer func() { require.NoError(t, library.Finalize()) }()
	slots, err := library.GetSlotList(true)
	require.NoError(t, err)
	session, err := library.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	defer func() { require.NoError(t, library.CloseSession(session)) }()

	open := func(ctx context.Context, name, pin string) (crypto.Signer, error) {
		if err := stschain.Prompt(ctx); err != nil {
			return nil, err
		}
		if err := library.Login(session, pkcs11.CKU_USER, pin); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
			return nil, err
		}
		err := library.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_LABEL, name)})
		if err != nil {
			return nil, err
		}
		found, _, err := library.FindObjects(session, 1)
		if err = errors.Join(err, library.FindObjectsFinal(session)); err != nil || len(found) == 0 {
			return nil, errors.Join(err, errors.New("no key"))
		}
		return token{library, session, found[0], keys[name].Public()}, nil
	}
	ca := authority{}.below(t, "Root")
	srv := ststest.NewTest(t)
	srv.AddTrustAnchor(ststest.TrustAnchor{ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{ca.certificate}})
	provider := func(name, pin string) *rolesanywhere.Provider {
		file := filepath.Join(dir, name+".pem")
		write(t, file, "CERTIFICATE", ca.issue(t, keys[name], func(*x509.Certificate) {}).Raw)
		return &rolesanywhere.Provider{
			TrustAnchorARN: anchorARN, ProfileARN: profileARN, RoleARN: "arn:aws:iam::123456789012:role/backup",
			CertificateFile: file, Signer: func(ctx context.Context) (crypto.Signer, error) { return open(ctx, name, pin) }, HTTPClient: srv.Client(),
		}
	}
	_, err = provider("RSA", "wrong-"+pin).Retrieve(t.Context())
	require.ErrorContains(t, err, "CKR_PIN_INCORRECT")
	require.NotContains(t, err.Error(), pin)
	_, err = provider("RSA", pin).Retrieve(stschain.WithoutPrompt(t.Context()))
	require.ErrorIs(t, err, stschain.ErrPrompt)
	for name := range keys {
		creds, err := provider(name, pin).Retrieve(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, "123456789012", creds.AccountID)
	}
}
