package profile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain/internal/system"
)

// location is the location of a file.
type location struct {
	path     string // "": not known
	variable string // the variable that can name the file
	named    bool   // the variable names it; otherwise this is the default path
}

// String returns the path, and the variable if it names the path.
func (l location) String() string {
	if l.named {
		return l.path + " (" + l.variable + ")"
	}
	return l.path
}

// locate returns the location of a file that a variable may name.
func (p *Provider) locate(variable, name, goos string) (location, error) {
	separator := "/"
	if goos == "windows" {
		separator = `\`
	}
	path := p.variable(variable)
	named := path != ""
	rest, atHome := strings.CutPrefix(path, "~")
	atHome = atHome && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, separator))
	if named && !atHome {
		return location{path, variable, named}, nil
	}
	home, err := p.home(goos)
	switch {
	case home == "":
	case named:
		path = home + rest
	default:
		path = strings.TrimRight(home, separator) + separator + ".aws" + separator + name
	}
	return location{path, variable, named}, err
}

// home returns the home directory, "" if there is none.
func (p *Provider) home(goos string) (string, error) {
	home := cmp.Or(p.Home, p.variable("HOME"))
	if goos == "windows" {
		home = cmp.Or(home, p.variable("USERPROFILE"), p.variable("HOMEDRIVE")+p.variable("HOMEPATH"))
	}
	if home != "" || p.LookupEnv != nil { // the user database is not part of a given environment
		return home, nil
	}
	return homeOfUser()
}

// homeOfUser looks in the user database. An unknown user, as in many
// containers, is not an error. A database that cannot be read at the moment is
// one: otherwise the files would seem not to exist.
func homeOfUser() (string, error) {
	id := os.Getuid()
	if id < 0 { // Windows and Plan 9
		u, err := user.Current()
		if err != nil {
			return "", nil
		}
		return filepath.Clean(u.HomeDir), nil
	}
	u, err := user.LookupId(strconv.Itoa(id)) // Current would cache an error forever
	_, unknown := err.(user.UnknownUserIdError)
	switch {
	case unknown, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), err == nil && u.HomeDir == "":
		return "", nil
	case err != nil:
		return "", fmt.Errorf("profile: no home directory: HOME is not set, and the user database cannot be read: %w", err)
	}
	return filepath.Clean(u.HomeDir), nil
}

// variable returns a variable of the environment; blank counts as not set.
func (p *Provider) variable(name string) string { return system.Getenv(p.LookupEnv, name) }
