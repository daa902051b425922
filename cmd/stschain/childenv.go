package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	database "os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
)

// sources are variables that lead an SDK to credentials, in addition to preferred.
var sources = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION", "AWS_ACCOUNT_ID",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CREDENTIAL_FILE",
}

// environment returns the environment of a command: base without what leads to other credentials, and with the variables.
func environment(base []string, variables []variable) []string {
	isSet := func(name string) bool {
		return slices.ContainsFunc(variables, func(v variable) bool { return sameName(v.name, name) })
	}
	var env []string
	for _, pair := range base {
		name, _, _ := strings.Cut(pair, "=")
		leads := func(n string) bool { return sameName(n, name) }
		switch {
		case slices.ContainsFunc(preferred, leads), slices.ContainsFunc(sources, leads), isSet(name):
		case strings.HasPrefix(strings.ToUpper(name), "AWS_BEARER_TOKEN_"): // of Bedrock
		default:
			env = append(env, pair)
		}
	}
	for _, v := range variables {
		if !v.value.IsZero() {
			env = append(env, v.name+"="+v.value.Reveal())
		}
	}
	return env
}

// sameName compares the names of variables.
func sameName(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// variable returns a variable of the environment that has a value.
func (c *call) variable(name string) (string, bool) {
	lookup := c.lookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, _ := lookup(name)
	return value, strings.TrimSpace(value) != ""
}

// profileName is the name of the profile whose settings apply.
func (c *call) profileName() string {
	name, _ := c.variable("AWS_PROFILE")
	return cmp.Or(c.profile, strings.TrimSpace(name), "default")
}

// files writes an empty credentials file, and a configuration file with the settings of the profile. They return the
// variables that lead to them. AWS_EC2_METADATA_DISABLED keeps an SDK from the instance if the server fails.
func (c *call) files(dir string) ([]variable, error) {
	credentials, config := filepath.Join(dir, "credentials"), filepath.Join(dir, "config")
	if err := os.WriteFile(credentials, nil, 0o600); err != nil {
		return nil, err
	}
	text, _ := readFile(c.configFile(), maxConfig) // if it cannot be read there are no settings
	if err := os.WriteFile(config, settings(text, c.profileName()), 0o600); err != nil {
		return nil, err
	}
	return []variable{
		{"AWS_SHARED_CREDENTIALS_FILE", stschain.NewSecret(credentials)},
		{"AWS_CONFIG_FILE", stschain.NewSecret(config)},
		{"AWS_EC2_METADATA_DISABLED", stschain.NewSecret("true")},
	}, nil
}

// maxConfig is the size of the largest configuration file that package profile reads.
const maxConfig = 4 << 20

// readFile returns the content of a regular file of at most so many bytes. It does not wait for the writer of a pipe.
func readFile(path string, most int64) ([]byte, error) {
	tooLarge := fmt.Errorf("%s is not a regular file of at most %d bytes", path, most)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > most:
		return nil, tooLarge
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > most:
		return nil, tooLarge
	}
	return text, nil
}

// configFile is the path of the configuration file, "" if there is no home directory. Package profile reads the same one.
func (c *call) configFile() string { return c.configFileOn(runtime.GOOS) }

func (c *call) configFileOn(goos string) string {
	separator := "/"
	if goos == "windows" {
		separator = `\`
	}
	path, named := c.variable("AWS_CONFIG_FILE")
	path = strings.TrimSpace(path)
	below, atHome := strings.CutPrefix(path, "~")
	atHome = atHome && (below == "" || below[0] == '/' || strings.HasPrefix(below, separator))
	if named && !atHome {
		return path
	}
	home := c.home(goos)
	switch {
	case home == "": // a relative path would be a file of the directory that this program runs in
		return ""
	case named:
		return home + below
	}
	return strings.TrimRight(home, separator) + separator + ".aws" + separator + "config"
}

// home is the home directory, "" if there is none.
func (c *call) home(goos string) string {
	variable := func(name string) string {
		value, _ := c.variable(name)
		return strings.TrimSpace(value)
	}
	home := variable("HOME")
	if goos == "windows" {
		home = cmp.Or(home, variable("USERPROFILE"), variable("HOMEDRIVE")+variable("HOMEPATH"))
	}
	if home != "" {
		return home
	}
	if c.lookupEnv != nil {
		return ""
	}
	u, err := database.Current()
	if err != nil {
		return ""
	}
	return u.HomeDir
}

// settings returns a configuration file with the settings of a profile as those of the default profile, and with the
// section of services that it names. It contains no setting that leads to credentials.
func settings(text []byte, profile string) []byte {
	var out bytes.Buffer
	out.WriteString("[default]\n")
	services := ""
	eachSetting(text, func(kind, name, key string, lines []string) {
		if (kind == "profile" && name == profile || kind == "default" && profile == "default") && isSetting(key) {
			if key == "services" {
				_, value, _ := strings.Cut(lines[0], "=")
				services = strings.TrimSpace(value)
			}
			out.WriteString(strings.Join(lines, "\n") + "\n")
		}
	})
	if services == "" {
		return out.Bytes()
	}
	out.WriteString("[services " + services + "]\n")
	eachSetting(text, func(kind, name, key string, lines []string) {
		if kind == "services" && name == services {
			out.WriteString(strings.Join(lines, "\n") + "\n")
		}
	})
	return out.Bytes()
}

// eachSetting calls f for each setting of a configuration file, with the kind and the name of its section and its lines:
// those that are indented continue it.
func eachSetting(text []byte, f func(kind, name, key string, lines []string)) {
	var kind, name, key string
	var lines []string
	flush := func() {
		if key != "" {
			f(kind, name, key, lines)
		}
		key, lines = "", nil
	}
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, ";"):
		case strings.HasPrefix(line, "["):
			flush()
			header, _, _ := strings.Cut(strings.TrimPrefix(line, "["), "]")
			kind, name, _ = strings.Cut(strings.TrimSpace(header), " ")
			name = strings.Trim(strings.TrimSpace(name), `"'`)
		case line[0] == ' ' || line[0] == '\t':
			if key != "" {
				lines = append(lines, line)
			}
		default:
			flush()
			before, _, ok := strings.Cut(line, "=")
			if ok {
				key, lines = strings.ToLower(strings.TrimSpace(before)), []string{line}
			}
		}
	}
	flush()
}

// isSetting reports whether a key of a profile is a setting that has nothing to do with credentials. Others may be new ways
// to credentials, so this is a list of what is known.
func isSetting(key string) bool {
	return slices.Contains([]string{
		"region", "output", "ca_bundle", "services", "endpoint_url", "endpoint_discovery_enabled", "ignore_configured_endpoint_urls", "defaults_mode",
		"retry_mode", "max_attempts", "parameter_validation", "tcp_keepalive", "api_versions", "s3", "s3api", "account_id_endpoint_mode",
		"auth_scheme_preference", "disable_request_compression", "sdk_ua_app_id", "sts_regional_endpoints",
	}, key) || slices.ContainsFunc([]string{"use_", "s3_", "cli_", "sigv4a_", "request_", "response_"}, func(prefix string) bool {
		return strings.HasPrefix(key, prefix)
	})
}
