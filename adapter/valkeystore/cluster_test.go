//go:build unix

package valkeystore_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
)

// startCluster starts three nodes, each of which has a third of the slots.
func startCluster(t *testing.T) (nodes []*server) {
	t.Helper()
	for i, slots := range [][2]string{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}} {
		bus := freePort(t)
		node := start(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "10000")
		node.do(t, "CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
		node.do(t, "CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
		for _, other := range nodes {
			host, port, err := net.SplitHostPort(node.Address)
			require.NoError(t, err)
			other.do(t, "CLUSTER", "MEET", host, port, bus)
		}
		nodes = append(nodes, node)
	}
	for _, node := range nodes {
		await(t, "the cluster does not form", func() bool {
			slots, err := node.do(t, "CLUSTER", "SLOTS").ToArray()
			return err == nil && len(slots) == 3 && strings.Contains(node.text(t, "CLUSTER", "INFO"), "cluster_state:ok")
		})
	}
	return nodes
}

func TestCluster(t *testing.T) {
	nodes := startCluster(t)
	s := store(t, nodes[0].Address)
	use := func(key string) {
		_, err := s.Lease(bounded(t), key, "owner", false, time.Hour)
		require.NoError(t, err)
		v, err := s.Load(bounded(t), key)
		require.ErrorIs(t, err, shared.ErrMissing)
		kept, err := s.Save(bounded(t), key, "owner", value(key, v.Generation))
		require.NoError(t, err)
		require.True(t, kept)
		v, err = s.Load(bounded(t), key)
		require.NoError(t, err)
		require.Equal(t, key, string(v.Sealed))
		require.NoError(t, s.Revoke(bounded(t), key, v.Generation))
	}
	for n := range 20 {
		use(fmt.Sprintf("%064x", n))
	}
	for _, node := range nodes {
		size, err := node.do(t, "DBSIZE").AsInt64()
		require.NoError(t, err)
		require.Positive(t, size, "every node has keys")
	}

	t.Run("not a client of clusters", func(t *testing.T) {
		single := store(t, nodes[0].Address)
		single.Client.ForceSingleClient = true
		moved := 0
		for n := range 20 {
			if _, err := single.Load(bounded(t), fmt.Sprintf("%064x", n)); err != shared.ErrMissing {
				require.ErrorContains(t, err, "MOVED ")
				require.ErrorContains(t, err, "remove ForceSingleClient")
				moved++
			}
		}
		require.Positive(t, moved)
	})

	// The client finds slots that moved since it connected.
	for _, node := range nodes {
		node.do(t, "FLUSHALL")
	}
	slot, err := nodes[0].do(t, "CLUSTER", "KEYSLOT", "{"+key+"}").AsInt64()
	require.NoError(t, err)
	from := slot / 5461
	to := nodes[(from+1)%3]
	id := to.text(t, "CLUSTER", "MYID")
	for _, node := range []*server{to, nodes[from], nodes[(from+2)%3]} {
		node.do(t, "CLUSTER", "SETSLOT", fmt.Sprint(slot), "NODE", id)
	}
	use(key)
	size, err := to.do(t, "DBSIZE").AsInt64()
	require.NoError(t, err)
	require.Positive(t, size)
}
