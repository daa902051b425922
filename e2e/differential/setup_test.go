package differential_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// setup is a machine on which a program looks for credentials.
type setup struct {
	dir                 string // $HOME
	env                 map[string]string
	config, credentials *iniFile
	files               map[string]string // in ~/.aws, in addition to those two
	instead             map[string]string // of files in ~/.aws: a "folder", or a "loop", a symbolic link to itself
	instanceRole        bool
	denied              map[string]bool // "sts", "container"
	arranged            []string        // the classes that it was arranged for
}

type iniFile struct {
	before, after string // around the sections
	sections      []*section
	lineEnd       string
}

type section struct {
	header string // with its brackets
	lines  []string
}

// set sets a key, in place of what it was.
func (s *section) set(key, value string) {
	line := key + " = " + value
	for i, old := range s.lines {
		if strings.HasPrefix(old, key+" = ") {
			s.lines[i] = line
			return
		}
	}
	s.lines = append(s.lines, line)
}

// section returns a section, which it adds if there is none.
func (f *iniFile) section(header string) *section {
	for _, s := range f.sections {
		if s.header == header {
			return s
		}
	}
	s := &section{header: header}
	f.sections = append(f.sections, s)
	return s
}

func (f *iniFile) remove(header string) {
	f.sections = slices.DeleteFunc(f.sections, func(s *section) bool { return s.header == header })
}

func roleARN(name string) string { return "arn:aws:iam::123456789012:role/" + name }

const base = "base" // the profile that always has keys

// newSetup draws a setup: what is in the environment, two to four profiles, and what can be called.
func newSetup(r random, dir string) *setup {
	s := &setup{
		dir: dir, instanceRole: r.chance(70), files: map[string]string{}, instead: map[string]string{}, denied: map[string]bool{},
		config: &iniFile{lineEnd: "\n"}, credentials: &iniFile{lineEnd: "\n"},
		env: map[string]string{"HOME": dir, "PATH": os.Getenv("PATH"), "AWS_STS_REGIONAL_ENDPOINTS": "regional"},
	}
	s.files["token"] = "web-identity-token"
	s.files["keys.json"] = `{"Version":1,"AccessKeyId":"AKIAPROCESS","SecretAccessKey":"secret","SessionToken":"token","Expiration":"2099-01-01T00:00:00Z"}`
	s.addKeys(r, base)
	for _, name := range []string{"default", "dev", "prod"} {
		if r.chance(60) {
			s.addProfile(r, name)
		}
	}
	s.region(oneOf(r, "eu-central-1", "eu-west-1", "us-west-2"))
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if r.chance(25) {
			s.env[name] = oneOf(r, "default", "dev", "prod", base, "default", "absent")
		}
	}
	if r.chance(15) {
		s.envKeys()
	}
	if r.chance(15) {
		s.webIdentity()
	}
	if r.chance(20) {
		s.container(r)
	}
	for _, v := range leftovers {
		if _, set := s.env[v.name]; !set && r.chance(4) {
			s.env[v.name] = v.value
		}
	}
	for _, service := range []string{"sts", "container"} {
		s.denied[service] = r.chance(5)
	}
	return s
}

// leftovers are variables that other programs of the machine need.
var leftovers = []struct{ name, value string }{
	{"AWS_SECRET_ACCESS_KEY", "leftover"}, {"AWS_SESSION_TOKEN", "leftover"}, {"AWS_ROLE_ARN", roleARN("leftover")}, {"AWS_ROLE_SESSION_NAME", "leftover"},
	{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "leftover"}, {"AWS_MAX_ATTEMPTS", "1"}, {"AWS_DEFAULT_OUTPUT", "json"}, {"AWS_RETRY_MODE", "standard"},
	{"AWS_ENDPOINT_URL_S3", "https://s3.example.com"}, {"AWS_ENDPOINT_URL_STS", "https://sts.example.com"}, {"AWS_ENDPOINT_URL", "https://all.example.com"},
	{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}, {"AWS_USE_FIPS_ENDPOINT", "true"}, {"AWS_USE_DUALSTACK_ENDPOINT", "true"},
	{"AWS_EC2_METADATA_DISABLED", "true"}, {"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_V1_DISABLED", "true"},
}

// region sets the region for all libraries: botocore does not read AWS_REGION.
func (s *setup) region(region string) {
	s.env["AWS_REGION"], s.env["AWS_DEFAULT_REGION"] = region, region
}

func (s *setup) envKeys() {
	s.env["AWS_ACCESS_KEY_ID"], s.env["AWS_SECRET_ACCESS_KEY"] = "AKIAENV", "secret"
}

func (s *setup) webIdentity() {
	s.env["AWS_WEB_IDENTITY_TOKEN_FILE"], s.env["AWS_ROLE_ARN"] = s.path("token"), roleARN("pod")
}

func (s *setup) container(r random) {
	if r.chance(50) {
		s.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials"
		return
	}
	s.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = oneOf(r, "http://127.0.0.1:51679/credentials", "http://169.254.170.2/full")
	s.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "agent-token"
}

// path is that of a file in ~/.aws.
func (s *setup) path(name string) string { return filepath.Join(s.dir, ".aws", name) }

func inConfig(name string) string {
	if name == "default" {
		return "[default]"
	}
	return "[profile " + name + "]"
}

// addProfile adds a profile that gets its credentials in one of all ways, or has none.
func (s *setup) addProfile(r random, name string) {
	s.settings(r, name)
	c := s.config.section(inConfig(name))
	switch r.IntN(13) {
	case 0, 1:
		s.addKeys(r, name)
	case 2, 3:
		s.addRole(r, name, base)
	case 4:
		s.addRole(r, name, oneOf(r, "default", "dev", "prod", "absent")) // which may go in a circle
	case 5:
		c.set("role_arn", roleARN(name))
		c.set("credential_source", oneOf(r, "Environment", "Ec2InstanceMetadata", "EcsContainer"))
	case 6:
		c.set("role_arn", roleARN(name))
		c.set("web_identity_token_file", s.path(oneOf(r, "token", "token", "absent")))
	case 7:
		c.set("credential_process", oneOf(r, "/bin/cat "+s.path("keys.json"), "/bin/cat '"+s.path("keys.json")+"'", "/bin/false"))
	case 8:
		s.addSSO(r, c)
	case 9:
		s.addLogin(c)
		if r.chance(20) {
			delete(s.files, loginCache)
		}
	case 10:
		s.addRole(r, name, base)
		c.set("mfa_serial", "arn:aws:iam::123456789012:mfa/user")
	}
}

func (s *setup) addLogin(c *section) {
	c.set("login_session", loginSession)
	s.files[loginCache] = loginFile
}

const loginSession = "arn:aws:sts::123456789012:assumed-role/Admin/user"

var loginCache = fmt.Sprintf("login/cache/%x.json", sha256.Sum256([]byte(loginSession)))

const loginFile = `{"accessToken":{"accessKeyId":"ASIALOGIN","secretAccessKey":"secret","sessionToken":"token","accountId":"123456789012","expiresAt":"2099-01-01T00:00:00Z"},` +
	`"tokenType":"aws_sigv4","clientId":"arn:aws:signin:::devtools/same-device","refreshToken":"refresh","idToken":"a.b.c","dpopKey":"key"}`

func (s *setup) addRole(r random, name, source string) {
	c := s.config.section(inConfig(name))
	c.set("role_arn", roleARN(name))
	c.set("source_profile", source)
	if r.chance(20) {
		c.set("external_id", "external")
	}
	if r.chance(20) {
		c.set("duration_seconds", "1800")
	}
	if r.chance(20) {
		c.set("role_session_name", "session-"+name)
	}
}

func (s *setup) addKeys(r random, name string) {
	to := s.credentials.section("[" + name + "]")
	if r.chance(25) {
		to = s.config.section(inConfig(name))
	}
	to.set("aws_access_key_id", "AKIA"+strings.ToUpper(name))
	to.set("aws_secret_access_key", oneOf(r, "secret", "se/cr+et=", "se#cret", "se;cret", `"secret"`))
	if r.chance(30) {
		to.set("aws_session_token", "token//==")
	}
}

func (s *setup) addSSO(r random, c *section) {
	c.set("sso_account_id", "123456789012")
	c.set("sso_role_name", "Admin")
	token, startURL := "corp", "https://corp.awsapps.com/start"
	if r.chance(30) { // without a session of its own
		c.set("sso_region", "us-east-1")
		c.set("sso_start_url", startURL)
		token = startURL
	} else {
		c.set("sso_session", "corp")
	}
	session := s.config.section("[sso-session corp]")
	session.lines = nil
	session.set("sso_region", "us-east-1")
	session.set("sso_start_url", startURL)
	session.set("sso_registration_scopes", "sso:account:access")
	if r.chance(80) { // else the session has no token
		s.files[fmt.Sprintf("sso/cache/%x.json", sha1.Sum([]byte(token)))] = `{"accessToken":"sso-token","expiresAt":"2099-01-01T00:00:00Z","startUrl":"https://corp.awsapps.com/start","region":"us-east-1"}`
	}
}

// settings adds keys that do not name credentials.
func (s *setup) settings(r random, name string) {
	c := s.config.section(inConfig(name))
	for _, line := range []string{
		"output = json", "region = eu-west-1", "retry_mode = standard", "max_attempts = 1", "cli_pager =", "use_fips_endpoint = false", "use_dualstack_endpoint = true",
		"sts_regional_endpoints = regional", "s3 =\n  addressing_style = path\n  max_concurrent_requests = 20", "parameter_validation = false", "defaults_mode = standard",
		"ec2_metadata_service_endpoint_mode = IPv4", "tcp_keepalive = true", "unknown_key = a b c", "ignore_configured_endpoint_urls = true",
	} {
		if r.chance(8) {
			c.lines = append(c.lines, line)
		}
	}
}

// render writes a file with the noise that hands and programs make.
func (f *iniFile) render(r random) string {
	var b strings.Builder
	b.WriteString(f.before)
	noise := func() {
		switch r.IntN(12) {
		case 0:
			b.WriteString("\n")
		case 1:
			fmt.Fprintf(&b, "%s a comment = with [signs]\n", oneOf(r, "#", ";", "##"))
		}
	}
	for i, s := range f.sections {
		if i > 0 {
			noise()
		}
		fmt.Fprintf(&b, "%s%s\n", s.header, oneOf(r, "", "", "", " ", "\t"))
		for _, line := range s.lines {
			noise()
			key, value, ok := strings.Cut(line, " = ")
			if !ok || strings.Contains(value, "\n") {
				b.WriteString(line + "\n")
				continue
			}
			if r.chance(5) {
				key = strings.ToUpper(key)
			}
			b.WriteString(key + oneOf(r, " = ", "=", " =", "= ", "\t=\t") + value + oneOf(r, "", "", "", " ", "\t") + "\n")
		}
	}
	b.WriteString(f.after)
	return strings.ReplaceAll(b.String(), "\n", f.lineEnd)
}

var longAgo = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // a file that changed just now is read more than once

// write makes the files of the setup.
func (s *setup) write(t *testing.T, r random) {
	if r.chance(5) {
		s.config.lineEnd = "\r\n"
	}
	s.files["config"] = s.config.render(r)
	s.files["credentials"] = s.credentials.render(r)
	for name := range s.instead {
		delete(s.files, name)
	}
	for name, content := range s.files {
		require.NoError(t, os.MkdirAll(filepath.Dir(s.path(name)), 0o700))
		require.NoError(t, os.WriteFile(s.path(name), []byte(content), 0o600))
		require.NoError(t, os.Chtimes(s.path(name), longAgo, longAgo))
	}
	for name, what := range s.instead {
		if what == "folder" {
			require.NoError(t, os.Mkdir(s.path(name), 0o700))
		} else {
			require.NoError(t, os.Symlink(s.path(name), s.path(name)))
		}
	}
}

// String prints the setup for a report.
func (s *setup) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "arranged for %v, instance role %v, denied %v, files replaced %v\n", s.arranged, s.instanceRole, s.denied, s.instead)
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		if name != "PATH" {
			fmt.Fprintf(&b, "%s=%s\n", name, s.env[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		content := s.files[name]
		fmt.Fprintf(&b, "--- ~/.aws/%s\n%s\n", name, strings.ReplaceAll(content, "\r", "<CR>"))
	}
	return b.String()
}
