//go:build unix

package valkeystore_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/adapter/valkeystore"
)

// startReplica starts a replica of primary that is in sync with it.
func startReplica(t *testing.T, primary *server) *server {
	t.Helper()
	_, port, err := net.SplitHostPort(primary.Address)
	require.NoError(t, err)
	primary.do(t, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
	replica := start(t, "--replicaof", "127.0.0.1 "+port)
	await(t, "the replica does not connect", func() bool {
		return strings.Contains(replica.text(t, "INFO", "replication"), "master_link_status:up")
	})
	return replica
}

// replicated waits until the replica has what primary has.
func replicated(t *testing.T, primary *server) {
	t.Helper()
	primary.do(t, "SET", "last", "") // WAIT is for the writes of its own connection
	primary.do(t, "WAIT", "1", "0")
}

// named is a name whose address changes, such as that of a service.
type named struct{ address atomic.Value }

func (n *named) dial(ctx context.Context, _ string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
	return dialer.DialContext(ctx, "tcp", n.address.Load().(string))
}

func (n *named) store(t *testing.T, server *server) *valkeystore.Store {
	n.address.Store(server.Address)
	s := store(t, "valkey.example:6379")
	s.Client.DialCtxFn = n.dial
	return s
}

func TestReplica(t *testing.T) {
	primary := start(t)
	replica := startReplica(t, primary)
	s := store(t, primary.Address)
	generation := prepare(t, s)
	keep(t, s, generation, "sealed")
	replicated(t, primary)
	errs := operations(bounded(t), store(t, replica.Address), generation+1)
	for _, op := range []string{"lease", "save", "revoke"} {
		require.ErrorContains(t, errs[op], "valkeystore: "+op+" 6b86b273: READONLY ")
		require.ErrorContains(t, errs[op], "connect to the primary, or set Client.Sentinel")
	}
	loads(t, s, generation+1, "sealed")
}

// The primary dies, and its replica is promoted.
func TestPromotedReplica(t *testing.T) {
	primary := start(t)
	replica := startReplica(t, primary)
	var name named
	s := name.store(t, primary)
	generation := prepare(t, s)
	keep(t, s, generation, "sealed")
	got, err := s.Lease(bounded(t), key, "owner", false, time.Hour)
	require.NoError(t, err)
	replicated(t, primary)

	require.NoError(t, primary.Process.Kill())
	replica.do(t, "REPLICAOF", "NO", "ONE")
	name.address.Store(replica.Address)
	await(t, "the store does not use the new primary", func() bool { _, err := s.Load(bounded(t), key); return err == nil })
	loads(t, s, generation+1, "sealed")
	other, err := s.Lease(bounded(t), key, "another", false, time.Hour)
	require.NoError(t, err)
	require.Equal(t, got.Owner, other.Owner)
	keep(t, s, generation+1, "next")
}

// The primary becomes a replica of its replica, and keeps its connections.
func TestDemotedPrimary(t *testing.T) {
	primary := start(t)
	replica := startReplica(t, primary)
	var name named
	s := name.store(t, primary)
	generation := prepare(t, s)
	replicated(t, primary)

	replica.do(t, "REPLICAOF", "NO", "ONE")
	host, port, err := net.SplitHostPort(replica.Address)
	require.NoError(t, err)
	primary.do(t, "REPLICAOF", host, port)
	name.address.Store(replica.Address)
	_, err = s.Lease(bounded(t), key, "owner", false, time.Hour)
	require.ErrorContains(t, err, "READONLY")
	keep(t, s, generation, "sealed")
}

func TestSentinel(t *testing.T) {
	primary := start(t)
	replica := startReplica(t, primary)
	host, port, err := net.SplitHostPort(primary.Address)
	require.NoError(t, err)
	sentinel := startAs(t, option, func(own, dir string) []string {
		config := filepath.Join(dir, "sentinel.conf")
		require.NoError(t, os.WriteFile(config, []byte("port "+own+"\nbind 127.0.0.1\nsentinel monitor fleet "+host+" "+port+" 1\n"), 0o600))
		return []string{config, "--sentinel"}
	})
	s := store(t, sentinel.Address)
	s.Client.Sentinel = valkey.SentinelOption{MasterSet: "fleet"}
	generation := prepare(t, s)
	keep(t, s, generation, "sealed")
	await(t, "the sentinel does not find the replica", func() bool {
		replicas, err := sentinel.do(t, "SENTINEL", "REPLICAS", "fleet").ToArray()
		return err == nil && len(replicas) == 1
	})
	replicated(t, primary)

	await(t, "the sentinel does not begin a failover", func() bool {
		return sentinel.admin.Do(t.Context(), sentinel.admin.B().Arbitrary("SENTINEL", "FAILOVER", "fleet").Build()).Error() == nil
	})
	await(t, "the replica is not promoted", func() bool { // which closes its connections
		role, err := replica.admin.Do(t.Context(), replica.admin.B().Info().Section("replication").Build()).ToString()
		return err == nil && strings.Contains(role, "role:master")
	})
	keep(t, store(t, replica.Address), generation+1, "next")
	await(t, "the store does not use the new primary", func() bool {
		v, err := s.Load(bounded(t), key)
		return err == nil && v.Generation == generation+2
	})
	loads(t, s, generation+2, "next")
}
