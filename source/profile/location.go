package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
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
func (p *Provider) locations() (config, credentials location, err error) {
	if config, err = p.locate("AWS_CONFIG_FILE", "config", runtime.GOOS); err != nil {
		return location{}, location{}, err
	}
	credentials, err = p.locate("AWS_SHARED_CREDENTIALS_FILE", "credentials", runtime.GOOS)
	return config, credentials, err
}

func (p *Provider) locate(variable, name, goos string) (location, error) {
	separator := "/"
	if goos == "windows" {
		separator = `\`
	}
	path := p.variable(variable)
	rest, atHome := strings.CutPrefix(path, "~")
	atHome = atHome && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, separator))
	if path != "" && !atHome {
		return location{path, variable, true}, nil
	}
	home, err := p.home(goos)
	switch {
	case err != nil:
		return location{}, err
	case path != "" && home == "":
		return location{path, variable, true}, nil
	case path != "":
		return location{home + rest, variable, true}, nil
	case home == "":
		return location{variable: variable}, nil
	}
	return location{strings.TrimRight(home, separator) + separator + ".aws" + separator + name, variable, false}, nil
}

// home is the home directory, "" if there is none.
func (p *Provider) home(goos string) (string, error) {
	if p.Home != "" {
		return p.Home, nil
	}
	if home := p.variable("HOME"); home != "" {
		return home, nil
	}
	if goos == "windows" {
		if home := p.variable("USERPROFILE"); home != "" {
			return home, nil
		}
		if home := p.variable("HOMEDRIVE") + p.variable("HOMEPATH"); home != "" {
			return home, nil
		}
	}
	if p.LookupEnv != nil { // the user database is not part of an environment that was made up
		return "", nil
	}
	return homeOfUser()
}

// homeOfUser asks the user database. That it does not know this user, as in many containers, is not an
// error. That it could not be read for now is one, or the files would seem not to exist.
func homeOfUser() (string, error) {
	id := os.Getuid()
	if id < 0 { // Windows and Plan 9
		u, err := user.Current()
		if err != nil {
			return "", nil
		}
		return filepath.Clean(u.HomeDir), nil
	}
	u, err := user.LookupId(strconv.Itoa(id)) // Current would keep an error for good
	_, unknown := errors.AsType[user.UnknownUserIdError](err)
	switch {
	case unknown, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), err == nil && u.HomeDir == "":
		return "", nil
	case err != nil:
		return "", fmt.Errorf("profile: no home directory: HOME is not set, and the user database cannot be read: %w", err)
	}
	return filepath.Clean(u.HomeDir), nil
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
