package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
)

// openStore opens the store at a URL, unix:///path of a socket of a server, or in a directory.
func openStore(address string) (shared.Store, error) {
	if !strings.HasPrefix(address, "unix://") {
		return &dirstore.Store{Dir: address}, nil
	}
	option, err := valkey.ParseURL(address)
	return &valkeystore.Store{Client: option}, err
}

// engine keeps what the processes share: a server, or a directory if none is installed.
type engine struct {
	name    string
	address string // for openStore
	program string
	dir     string
	server  *exec.Cmd
}

func newEngine(dir string) *engine {
	for _, name := range []string{"valkey-server", "redis-server"} {
		if program, err := exec.LookPath(name); err == nil {
			return &engine{name: name, address: "unix://" + filepath.Join(dir, "socket"), program: program, dir: dir}
		}
	}
	return &engine{name: "directory", address: dir, dir: dir}
}

// start starts the server, which has no port, and returns when it responds.
func (e *engine) start(ctx context.Context) error {
	if e.program == "" {
		return nil
	}
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return err
	}
	e.server = exec.CommandContext(ctx, e.program, "--port", "0", "--unixsocket", filepath.Join(e.dir, "socket"), "--unixsocketperm", "700", "--save", "", "--dir", e.dir)
	e.server.Env = []string{"PATH=" + os.Getenv("PATH")}
	if err := e.server.Start(); err != nil {
		return err
	}
	for {
		option, err := valkey.ParseURL(e.address)
		if err != nil {
			return err
		}
		store := &valkeystore.Store{Client: option}
		_, err = store.Load(ctx, strings.Repeat("0", 64))
		store.Close()
		if errors.Is(err, shared.ErrMissing) {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (e *engine) stop() {
	if e.server != nil {
		e.server.Process.Kill()
		e.server.Wait()
	}
}

// lose makes the engine lose everything.
func (e *engine) lose(ctx context.Context) error {
	e.stop()
	if err := os.RemoveAll(e.dir); err != nil {
		return err
	}
	return e.start(ctx)
}
