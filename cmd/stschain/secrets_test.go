package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

// TestNoSecrets: no command prints a secret that is not its result, whatever is wrong with the configuration.
func TestNoSecrets(t *testing.T) {
	secrets := []string{"canary/line/secret", "canary/keys/secret", "canary/half/secret", "canary/process/secret", "canary/token/secret", "canary/bearer/secret", "canary/session/secret"}
	const role = "\nrole_arn = " + roleARN + "\nsource_profile = "
	for name, config := range map[string]string{
		"no file":        "",
		"keys":           "[default]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = canary/keys/secret\naws_session_token = canary/session/secret\n",
		"half":           "[default]\naws_secret_access_key = canary/half/secret\n",
		"odd key":        "[default]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = canary/keys/secret and more\n",
		"malformed line": "[default]\naws_secret_access_key canary/line/secret\naws_access_key_id = AKIAKEYS\n",
		"outside":        "aws_secret_access_key = canary/line/secret\n[default]\n",
		"header":         "[default\naws_secret_access_key = canary/line/secret\n",
		"process":        `[default]` + "\n" + `credential_process = echo '{"Version":1,"SecretAccessKey":"canary/process/secret"}'` + "\n",
		"no JSON":        "[default]\ncredential_process = echo canary/process/secret\n",
		"refused role":   "[default]" + role + "base\n[profile base]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = canary/keys/secret\n",
		"broken role":    "[default]" + role + "base\n[profile base]\naws_secret_access_key = canary/half/secret\n",
	} {
		for _, args := range []string{
			"explain", "explain -json", "whoami -v", "env", "process", "serve", "exec -v true", "exec -env true", "exec -role-arn " + roleARN + " true",
			"login", "logout", "console -allow-http", "profiles", "profiles -json", "completion bash", "forget", "version", "help exec", "envv", "whoami -profile defalt",
		} {
			t.Run(name+"/"+args, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.sts.FailAll(ststest.Refuse(http.StatusForbidden, "AccessDenied", "not you"))
				w.sts.AllowRefusals()
				if config != "" {
					w.config(config)
				}
				w.env["AWS_BEARER_TOKEN_BEDROCK"] = "canary/bearer/secret"
				w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"], w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "canary/token/secret", "http://192.0.2.1/" // it is refused: neither loopback nor https
				w.env["AWS_ENDPOINT_URL_SIGNIN"] = "http://127.0.0.1:1"
				if args == "serve" && strings.Contains(config, "canary/keys") { // it would serve
					return
				}
				_, stdout, stderr := w.run(strings.Fields(args)...)
				result := args == "env" || args == "process"
				for _, secret := range secrets {
					canary.CheckText(t, secret, stderr)
					if !result {
						canary.CheckText(t, secret, stdout)
					}
				}
			})
		}
	}
}
