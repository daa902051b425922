package rolesanywhere_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys and certificates that the openssl of this machine writes.
func TestOpenSSL(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	for name, generate := range map[string][]string{
		"EC":  {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
		"RSA": {"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			plain := filepath.Join(w.dir, "plain.pem")
			run := func(args ...string) {
				t.Helper()
				cmd := exec.Command(path, args...)
				cmd.Env = append(os.Environ(), "PASSWORD="+password)
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, string(out))
			}
			run(append(generate, "-out", plain)...)
			content, err := os.ReadFile(plain)
			require.NoError(t, err)
			key := must(parsePKCS8(content))
			w.install(t, key, w.root.Issue(key, nil))
			w.Password = returns(password)
			for _, args := range [][]string{
				{}, {"-v2", "aes-128-cbc"}, {"-v2", "aes-256-cbc"}, {"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter", "100000"},
			} {
				run(append([]string{"pkcs8", "-topk8", "-in", plain, "-out", w.key, "-passout", "env:PASSWORD"}, args...)...)
				_, err = w.Retrieve(t.Context())
				require.NoError(t, err)
			}
		})
	}
}
