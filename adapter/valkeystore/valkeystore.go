package valkeystore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/shared"
)

// Store is a [shared.Store] on Valkey or Redis. It connects at the first operation, so a program starts while the server
// is down, and connects again after a failure, at the next operation. Do not change its fields after first use, and do not
// copy it. Its methods may be called concurrently.
type Store struct {
	// Client is how to connect; Client.InitAddress is required. TLSConfig, Username, Password, Sentinel and all other
	// options of valkey-go work, except those that read from replicas: all operations go to the primary. DisableCache and
	// DisableRetry are always set, and DisableTCPNoDelay has no effect. If PipelineMultiplex is 0, there is one connection to a server; buffers whose size is 0
	// have 64 KiB.
	Client valkey.ClientOption

	// Prefix begins every key, so that fleets can share a server and an ACL can name the keys; "": "stschain:".
	// It must not contain braces, which are for the hash tag.
	Prefix string

	mu         sync.Mutex
	connection *connection // nil: the next operation connects
}

var _ shared.Store = (*Store)(nil)

const (
	maxSealed = 64 << 10 // bytes of a value
	maxOwner  = 1 << 10  // bytes of an owner
)

// Load implements [shared.Store]. What is stored under the key but was not written by Save counts as missing.
func (s *Store) Load(ctx context.Context, key string) (shared.Value, error) {
	reply, err := s.run(ctx, load, key)
	if err != nil {
		return shared.Value{}, err
	}
	v := shared.Value{Generation: reply.uint(0)}
	if !reply.has(1) {
		return v, reply.error(shared.ErrMissing)
	}
	v.Left, v.Sealed = reply.milliseconds(1), []byte(reply.string(2))
	if err := reply.error(nil); err != nil {
		return shared.Value{}, err
	}
	return v, nil
}

// Lease implements [shared.Store]. A ttl is rounded up to milliseconds.
func (s *Store) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	if owner == "" || len(owner) > maxOwner {
		return shared.Lease{}, fmt.Errorf("valkeystore: the owner of a lease has %d bytes: 1 to %d are required", len(owner), maxOwner)
	}
	flag := "0"
	if pause {
		flag = "1"
	}
	first := 1 + rand.Uint64N(1<<52-1)
	reply, err := s.run(ctx, lease, key, owner, flag, milliseconds(ttl+time.Millisecond-1), strconv.FormatUint(first, 10))
	if err != nil {
		return shared.Lease{}, err
	}
	var l shared.Lease
	if reply.has(0) {
		l = shared.Lease{Owner: reply.string(0), Pause: reply.string(1) == "1", Left: reply.milliseconds(2)}
	}
	if err := reply.error(nil); err != nil {
		return shared.Lease{}, err
	}
	return l, nil
}

// Save implements [shared.Store]. v.Left is rounded down to milliseconds.
func (s *Store) Save(ctx context.Context, key, owner string, v shared.Value) (kept bool, err error) {
	if len(v.Sealed) > maxSealed {
		return false, fmt.Errorf("valkeystore: the value has %d bytes: at most %d are allowed", len(v.Sealed), maxSealed)
	}
	reply, err := s.run(ctx, save, key, owner, strconv.FormatUint(v.Generation, 10), milliseconds(v.Left), string(v.Sealed))
	if err != nil {
		return false, err
	}
	kept = reply.uint(0) == 1
	if err := reply.error(nil); err != nil {
		return false, err
	}
	return kept, nil
}

// Revoke implements [shared.Store].
func (s *Store) Revoke(ctx context.Context, key string, generation uint64) error {
	reply, err := s.run(ctx, revoke, key, strconv.FormatUint(generation, 10))
	if err != nil {
		return err
	}
	reply.uint(0)
	return reply.error(nil)
}

// run runs a script with the keys of key: its generation, value and lease. It returns when ctx ends, even while valkey-go waits
// for another caller's connection.
func (s *Store) run(ctx context.Context, o operation, key string, args ...string) (*reply, error) {
	if err := s.check(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, s.explain(o, key, err)
	}
	prefix := s.prefix() + "{" + key + "}"
	keys := []string{prefix + "g", prefix + "v", prefix + "l"}
	type result struct {
		fields []valkey.ValkeyMessage
		err    error
	}
	done := make(chan result, 1)
	go func() {
		c, err := s.connect(ctx)
		if err != nil {
			done <- result{err: err}
			return
		}
		fields, err := c.scripts[o].Exec(ctx, c.client, keys, args).ToArray()
		demoted := code(err) == "READONLY" && s.forget(c) // the address may lead to the new primary by now
		done <- result{fields, err}
		if demoted {
			c.client.Close()
		}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, s.explain(o, key, r.err)
		}
		return &reply{operation: o, key: key, fields: r.fields}, nil
	case <-ctx.Done():
		return nil, s.explain(o, key, ctx.Err())
	}
}

// check returns what is wrong with the settings or the key.
func (s *Store) check(key string) error {
	switch {
	case len(s.Client.InitAddress) == 0:
		return errors.New(`valkeystore: Store.Client.InitAddress is missing: set it to []string{"host:6379"}`)
	case slices.ContainsFunc(s.Client.InitAddress, isURL): // which may have a password
		return errors.New("valkeystore: Store.Client.InitAddress contains a URL: it takes host:port; valkey.ParseURL makes a Client from a URL")
	case s.Client.SendToReplicas != nil || s.Client.ReplicaOnly || len(s.Client.Standalone.ReplicaAddress) > 0:
		return errors.New("valkeystore: Store.Client reads from replicas, which may return old values: remove SendToReplicas, ReplicaOnly and Standalone.ReplicaAddress")
	case strings.ContainsAny(s.Prefix, "{}"):
		return fmt.Errorf("valkeystore: Store.Prefix %q contains a brace: braces mark the part of a key that selects the cluster node", s.Prefix)
	case len(key) != 64 || strings.Trim(key, "0123456789abcdefABCDEF") != "":
		return fmt.Errorf("valkeystore: invalid key of %d characters: a key has 64 hexadecimal digits", len(key))
	}
	return nil
}

// isURL reports whether an address is neither host:port nor the path of a socket.
func isURL(address string) bool {
	return !strings.HasPrefix(address, "/") && strings.ContainsAny(address, "/@")
}

func (s *Store) prefix() string {
	if s.Prefix == "" {
		return "stschain:"
	}
	return s.Prefix
}

// Format implements [fmt.Formatter]: it prints the prefix only, because Client has a password.
func (s *Store) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "valkeystore.Store{Prefix:%q}", s.prefix())
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(0, d.Milliseconds()), 10) }
