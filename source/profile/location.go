package profile

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
)

// location is where a file lies.
type location struct {
	path     string // "": nobody knows
	variable string // that names such a file
	named    bool   // it does; otherwise this is the default place
}

// String is for people.
func (l location) String() string {
	if l.named {
		return l.path + " (" + l.variable + ")"
	}
	return l.path
}

// locations are those of the config and of the credentials file.
func (p *Provider) locations() (config, credentials location) {
	return p.locate("AWS_CONFIG_FILE", "config", runtime.GOOS), p.locate("AWS_SHARED_CREDENTIALS_FILE", "credentials", runtime.GOOS)
}

func (p *Provider) locate(variable, name, goos string) location {
	separator := "/"
	if goos == "windows" {
		separator = `\`
	}
	if path := p.variable(variable); path != "" {
		rest, atHome := strings.CutPrefix(path, "~")
		if atHome && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, separator)) {
			if home := p.home(goos); home != "" {
				path = home + rest
			}
		}
		return location{path, variable, true}
	}
	home := p.home(goos)
	if home == "" {
		return location{variable: variable}
	}
	return location{strings.TrimRight(home, separator) + separator + ".aws" + separator + name, variable, false}
}

// home is the home directory, "" if nobody knows.
func (p *Provider) home(goos string) string {
	if p.Home != "" {
		return p.Home
	}
	if home := p.variable("HOME"); home != "" {
		return home
	}
	if goos == "windows" {
		if home := p.variable("USERPROFILE"); home != "" {
			return home
		}
		if home := p.variable("HOMEDRIVE") + p.variable("HOMEPATH"); home != "" {
			return home
		}
	}
	if p.LookupEnv == nil { // the user database is not part of an environment that somebody made
		if u, err := user.Current(); err == nil {
			return filepath.Clean(u.HomeDir)
		}
	}
	return ""
}

// variable is one of the environment; blank counts as not set.
func (p *Provider) variable(name string) string {
	lookup := os.LookupEnv
	if p.LookupEnv != nil {
		lookup = p.LookupEnv
	}
	value, _ := lookup(name)
	return strings.TrimSpace(value)
}
