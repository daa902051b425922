package bench_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/bench"
	"github.com/stschain-go/stschain/bench/size"
)

// coldSettings are where a process finds its credentials.
var coldSettings = []string{"env", "irsa", "role"}

// coldProcesses runs whole processes, from their start to their end: the programs of size with the default chain, which
// assume a role, and the plain program, which makes the same request unsigned. STS is in this process. Credentials
// come from environment variables, from a web identity (irsa), or from a profile that assumes a role first.
func coldProcesses(tb testing.TB) map[string][]bench.Loop {
	programs := []struct{ impl, name string }{{"plain", "plain"}, {"stschain", "stschaindefault"}, {"aws", "awsconfig"}}
	dir := tb.TempDir()
	for _, p := range programs {
		require.NoError(tb, size.Compile(tb.Context(), p.name, filepath.Join(dir, p.name)))
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(tb, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	common := []string{"HOME=" + dir, "PATH=" + dir, "AWS_REGION=" + region, "AWS_ENDPOINT_URL_STS=" + serveSTS(tb),
		"AWS_CONFIG_FILE=" + write("config", "[profile nightly]\nrole_arn = "+roleARN+"\nsource_profile = keys\n"),
		"AWS_SHARED_CREDENTIALS_FILE=" + write("credentials", "[keys]\naws_access_key_id = "+accessKeyID+"\naws_secret_access_key = "+secretKey+"\n"),
	}
	all := map[string][]bench.Loop{}
	for _, setting := range coldSettings {
		env := common
		switch setting {
		case "env":
			env = append(env, "AWS_ACCESS_KEY_ID="+accessKeyID, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_SESSION_TOKEN="+sessionToken)
		case "irsa":
			env = append(env, "AWS_ROLE_ARN="+roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE="+write("token", identityToken))
		case "role":
			env = append(env, "AWS_PROFILE=nightly")
		}
		for _, p := range programs {
			all[setting] = append(all[setting], bench.Loop{Impl: p.impl, Run: func(n int) error {
				for range n {
					cmd := exec.Command(filepath.Join(dir, p.name), roleARN)
					cmd.Env = env
					out, err := cmd.CombinedOutput()
					if err := check(strings.HasPrefix(string(out), "2099-11-21 "), err); err != nil {
						return fmt.Errorf("%w: %s", err, out)
					}
				}
				return nil
			}})
		}
	}
	return all
}

// identityToken has the form of a JWT; serveSTS does not verify it.
var identityToken = "eyJhbGciOiJSUzI1NiJ9." + strings.Repeat("eyJpc3MiOiJodHRwczovL2V4YW1wbGUifQ", 20) + "." + strings.Repeat("c2lnbmF0dXJl", 28)

// serveSTS starts an STS on loopback that verifies nothing.
func serveSTS(tb testing.TB) (url string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action := r.PostFormValue("Action")
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, strings.ReplaceAll(roleResponse, "AssumeRoleRe", action+"Re")) // ...Response and ...Result
	}))
	tb.Cleanup(srv.Close)
	return srv.URL
}
