package main

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
)

const forgetHelp = `
Sessions of roles are kept between runs, sealed, in the directory stschain of XDG_STATE_HOME or
~/.local/state; on macOS of ~/Library/Application Support, on Windows of LOCALAPPDATA. The next
command calls STS again, and prompts for an MFA code if the role requires one.

Sessions that were issued stay valid until they expire. The cache of the AWS CLI is not touched.
`

// forget removes all kept sessions.
func forget(_ context.Context, c *call) error {
	dir := c.stateDir(runtime.GOOS)
	if dir == "" {
		return nil
	}
	failed := forgetSessions(dir)
	signIns, err := os.ReadDir(filepath.Join(dir, signInDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	for _, signIn := range signIns {
		failed = errors.Join(failed, forgetSignIn(filepath.Join(dir, signInDir, signIn.Name())))
	}
	return failed
}

// forgetSessions removes the kept sessions of a directory. The key goes first: without it they cannot be opened.
func forgetSessions(dir string) error {
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(filepath.Join(dir, sessionDir))
}

// forgetSignIn removes the directory of the sessions that come from a sign-in.
func forgetSignIn(dir string) error { return errors.Join(forgetSessions(dir), os.RemoveAll(dir)) }

const (
	keyFile    = "key"
	sessionDir = "sessions"
	signInDir  = "sso" // has a directory with both for each sign-in
	keyLength  = 32    // of each of the two keys in the file
)

// sessionsDir is the directory of sessions that come from a sign-in to IAM Identity Center, or of all others if signIn is "".
// Signing out removes the directory. It is named like the file of the token. "": there is none.
func (c *call) sessionsDir(signIn string) string {
	dir := c.stateDir(runtime.GOOS)
	if dir == "" || signIn == "" {
		return dir
	}
	sum := sha1.Sum([]byte(signIn))
	return filepath.Join(dir, signInDir, hex.EncodeToString(sum[:]))
}

// stateDir is the directory of what is kept between runs, "" if the environment has none: a service without a home.
func (c *call) stateDir(goos string) string {
	within := func(name string, path ...string) string {
		dir, ok := c.variable(name)
		if !ok || !filepath.IsAbs(dir) {
			return ""
		}
		return filepath.Join(append(append([]string{dir}, path...), "stschain")...)
	}
	switch goos {
	case "windows":
		return within("LOCALAPPDATA")
	case "darwin":
		return within("HOME", "Library", "Application Support")
	}
	if dir := within("XDG_STATE_HOME"); dir != "" {
		return dir
	}
	return within("HOME", ".local", "state")
}

// sessions are those that are kept between runs.
type sessions struct {
	store       shared.Store
	key, naming stschain.Secret
}

// openSessions returns the kept sessions, and an error if there can be none: a home that is read-only, or of another user, as
// under sudo.
func openSessions(dir string) (*sessions, error) {
	if dir == "" {
		return nil, errors.New("there is no home directory")
	}
	existing := dir
	for {
		info, err := os.Stat(existing)
		if err == nil {
			if err := checkOwner(info); err != nil {
				return nil, fmt.Errorf("%s %w", existing, err)
			}
			break
		}
		if parent := filepath.Dir(existing); !errors.Is(err, fs.ErrNotExist) || parent == existing {
			return nil, err
		} else {
			existing = parent
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, keyFile)
	text, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createKey(path); err == nil {
			text, err = readKey(path)
		}
	}
	if err != nil {
		return nil, err
	}
	keys := text.Reveal()
	return &sessions{
		unpaused{&dirstore.Store{Dir: filepath.Join(dir, sessionDir)}},
		stschain.NewSecret(keys[:keyLength]), stschain.NewSecret(keys[keyLength:]),
	}, nil
}

// readKey returns the two keys in the file.
func readKey(path string) (stschain.Secret, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return stschain.Secret{}, err
	case !info.Mode().IsRegular() || info.Size() != 2*keyLength:
		return stschain.Secret{}, fmt.Errorf("%s is not a file of %d bytes: stschain forget removes it", path, 2*keyLength)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return stschain.Secret{}, fmt.Errorf("%s is accessible to others, with mode %#o: stschain forget removes it", path, info.Mode().Perm())
	}
	if err := checkOwner(info); err != nil {
		return stschain.Secret{}, fmt.Errorf("%s %w", path, err)
	}
	text, err := readFile(path, 2*keyLength)
	if err == nil && len(text) != 2*keyLength {
		err = fmt.Errorf("%s was changed while it was read", path)
	}
	return stschain.NewSecret(string(text)), err
}

// createKey creates the file of the keys, unless another process has just done so.
func createKey(path string) error {
	keys := make([]byte, 2*keyLength)
	rand.Read(keys)
	if err := createFile(path, keys); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// createFile creates a private file. It fails with fs.ErrExist if there is one. No process sees half of it.
func createFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".stschain-") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // which replaces nothing, as a rename would
}

// unpaused is a store that keeps no pause after a failure: a user who corrects a mistake runs the command again at once.
type unpaused struct{ *dirstore.Store }

func (s unpaused) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	if pause {
		pause, ttl = false, 0
	}
	return s.Store.Lease(ctx, key, owner, pause, ttl)
}
