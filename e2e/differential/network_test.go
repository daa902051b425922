package differential_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
)

// network is everything that a setup can call: STS, the instance metadata service, a container agent and the portal of
// IAM Identity Center. It records the calls.
type network struct {
	*setup
	calls []string
}

func (n *network) record(format string, args ...any) {
	if call := fmt.Sprintf(format, args...); len(n.calls) == 0 || n.calls[len(n.calls)-1] != call {
		n.calls = append(n.calls, call)
	}
}

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch u := target(r); {
	case u.Hostname() == "169.254.169.254":
		n.metadata(w, r.Method, u.Path)
	case strings.HasPrefix(u.Hostname(), "169.254.170."), u.Hostname() == "127.0.0.1":
		n.record("container %s, token %q", u, r.Header.Get("Authorization"))
		if n.denied["container"] {
			http.Error(w, `{"code":"AccessDenied","message":"denied"}`, http.StatusForbidden)
			return
		}
		fmt.Fprint(w, document("ASIACONTAINER"))
	case u.Path == "/federation/credentials":
		n.record("portal %s %s by %s", u.Host, u.Query().Encode(), r.Header.Get("X-Amz-Sso_bearer_token"))
		fmt.Fprint(w, `{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"secret","sessionToken":"token","expiration":4070908800000}}`)
	default:
		n.sts(w, r, u.Host)
	}
}

func document(key string) string {
	return fmt.Sprintf(`{"Code":"Success","Version":1,"AccessKeyId":%q,"SecretAccessKey":"secret","Token":"token","SessionToken":"token","Expiration":"2099-01-01T00:00:00Z"}`, key)
}

func (n *network) metadata(w http.ResponseWriter, method, path string) {
	n.record("metadata")
	const roles = "/latest/meta-data/iam/security-credentials/"
	switch {
	case method == http.MethodPut:
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		fmt.Fprint(w, "metadata-token")
	case n.instanceRole && path == roles:
		fmt.Fprint(w, "worker")
	case n.instanceRole && path == roles+"worker":
		fmt.Fprint(w, document("ASIAINSTANCE"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// sts assumes roles. The key it returns depends on the role and on the key that assumes it.
func (n *network) sts(w http.ResponseWriter, r *http.Request, host string) {
	values := form(r)
	action, arn := values.Get("Action"), values.Get("RoleArn")
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope, _, _ = strings.Cut(scope, ",")
	by, _, _ := strings.Cut(scope, "/")
	if action == "AssumeRoleWithWebIdentity" {
		by, scope = values.Get("WebIdentityToken"), ""
	}
	parts := strings.Split(scope, "/")
	if len(parts) > 2 {
		host += " for " + parts[2]
	}
	session := values.Get("RoleSessionName")
	configured := ""
	if strings.HasPrefix(session, "session-") || session == "leftover" {
		configured = session
	}
	call := fmt.Sprintf("%s %s by %s at %s, session %q, external ID %q", action, arn, by, host, configured, values.Get("ExternalId"))
	if duration := values.Get("DurationSeconds"); duration != "" {
		call += ", for " + duration + " s"
	}
	n.record("%s", call)
	if n.denied["sts"] {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>denied</Message></Error><RequestId>1</RequestId></ErrorResponse>`)
		return
	}
	assumed := strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(arn) + "/" + session
	key := fmt.Sprintf("ASIA%.8X", sha256.Sum256([]byte(arn+" "+by)))
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>%[2]s</AccessKeyId>`+
		`<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>`+
		`<AssumedRoleUser><Arn>%[3]s</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser></%[1]sResult>`+
		`<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>`, action, key, assumed)
}
