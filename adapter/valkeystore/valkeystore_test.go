//go:build unix

package valkeystore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/shared"
)

func value(sealed string, generation uint64) shared.Value {
	return shared.Value{Sealed: []byte(sealed), Left: time.Hour, Generation: generation}
}

// prepare gives a key its first generation.
func prepare(t *testing.T, s shared.Store) uint64 {
	t.Helper()
	_, err := s.Lease(bounded(t), key, "prepare", false, 0)
	require.NoError(t, err)
	v, err := s.Load(bounded(t), key)
	require.ErrorIs(t, err, shared.ErrMissing)
	require.NotZero(t, v.Generation)
	return v.Generation
}

func keep(t *testing.T, s shared.Store, generation uint64, sealed string) {
	t.Helper()
	kept, err := s.Save(bounded(t), key, "owner", value(sealed, generation))
	require.NoError(t, err)
	require.True(t, kept)
}

func loads(t *testing.T, s shared.Store, generation uint64, sealed string) {
	t.Helper()
	v, err := s.Load(bounded(t), key)
	require.NoError(t, err)
	require.Equal(t, sealed, string(v.Sealed))
	require.Equal(t, generation, v.Generation)
	require.LessOrEqual(t, v.Left, time.Hour)
	require.Greater(t, v.Left, time.Hour-2*limit)
}

func misses(t *testing.T, s shared.Store, generation uint64) {
	t.Helper()
	v, err := s.Load(bounded(t), key)
	require.ErrorIs(t, err, shared.ErrMissing)
	require.Equal(t, shared.Value{Generation: generation}, v)
}

func TestKeys(t *testing.T) {
	server := start(t)
	s := store(t, server.Address)
	s.Prefix = "fleet:"
	keep(t, s, prepare(t, s), "sealed")
	_, err := s.Lease(bounded(t), key, "owner", false, time.Hour)
	require.NoError(t, err)

	keys, err := server.do(t, "KEYS", "*").AsStrSlice()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"fleet:{" + key + "}g", "fleet:{" + key + "}v", "fleet:{" + key + "}l"}, keys)
	for _, k := range keys {
		left, err := server.do(t, "PTTL", k).AsInt64()
		require.NoError(t, err)
		require.Positive(t, left, k)
	}

	other := store(t, server.Address)
	misses(t, other, 0)
}

// A generation lasts for a week after the last operation, and for as long as its value.
func TestGenerationExpiry(t *testing.T) {
	const week = 7 * 24 * time.Hour
	server := start(t)
	s := store(t, server.Address)
	generation := prepare(t, s)
	left := func() time.Duration {
		ms, err := server.do(t, "PTTL", "stschain:{"+key+"}g").AsInt64()
		require.NoError(t, err)
		return time.Duration(ms) * time.Millisecond
	}
	for name, operate := range map[string]func() error{
		"Load":   func() error { misses(t, s, generation); return nil },
		"Lease":  func() error { _, err := s.Lease(bounded(t), key, "owner", false, 0); return err },
		"Save":   func() error { _, err := s.Save(bounded(t), key, "owner", shared.Value{Generation: 1}); return err },
		"Revoke": func() error { return s.Revoke(bounded(t), key, 1) },
	} {
		server.do(t, "PEXPIRE", "stschain:{"+key+"}g", "60000")
		require.NoError(t, operate(), name)
		require.Greater(t, left(), week, name)
	}
	_, err := s.Save(bounded(t), key, "owner", shared.Value{Generation: generation, Left: 100 * 24 * time.Hour})
	require.NoError(t, err)
	require.Greater(t, left(), 99*24*time.Hour)
}

// Whatever others wrote to the keys is missing, and is overwritten.
func TestPoisonedKeys(t *testing.T) {
	server := start(t)
	const g, v, l = "stschain:{" + key + "}g", "stschain:{" + key + "}v", "stschain:{" + key + "}l"
	for name, poison := range map[string]func(s *valkeystore.Store, generation uint64){
		"garbage":            func(*valkeystore.Store, uint64) { server.do(t, "SET", v, "garbage", "PX", "3600000") },
		"empty":              func(*valkeystore.Store, uint64) { server.do(t, "SET", v, "", "PX", "3600000") },
		"another generation": func(_ *valkeystore.Store, g uint64) { server.do(t, "SET", v, fmt.Sprint(g-1, ":x"), "PX", "3600000") },
		"too large": func(_ *valkeystore.Store, g uint64) {
			server.do(t, "SET", v, fmt.Sprint(g, ":")+strings.Repeat("x", 64<<10+1), "PX", "3600000")
		},
		"no expiry": func(_ *valkeystore.Store, g uint64) { server.do(t, "SET", v, fmt.Sprint(g, ":x")) },
	} {
		t.Run(name, func(t *testing.T) {
			server.do(t, "FLUSHALL")
			s := store(t, server.Address)
			generation := prepare(t, s)
			poison(s, generation)
			misses(t, s, generation)
			keep(t, s, generation, "sealed")
			loads(t, s, generation+1, "sealed")
		})
	}
	for _, garbage := range []string{"", "garbage", "-1", "1.5", "99999999999999999999"} {
		t.Run("generation "+garbage, func(t *testing.T) {
			server.do(t, "FLUSHALL")
			s := store(t, server.Address)
			server.do(t, "SET", g, garbage)
			misses(t, s, 0)
			keep(t, s, prepare(t, s), "sealed")
		})
	}
	for name, set := range map[string][]string{
		"no expiry": {"SET", l, "0another"},
		"too large": {"SET", l, strings.Repeat("0", 2<<10), "PX", "3600000"},
	} {
		t.Run("lease "+name, func(t *testing.T) {
			server.do(t, "FLUSHALL")
			server.do(t, set...)
			got, err := store(t, server.Address).Lease(bounded(t), key, "owner", true, time.Minute)
			require.NoError(t, err)
			require.Equal(t, shared.Lease{Owner: "owner", Pause: true, Left: time.Minute}, got)
		})
	}
	t.Run("another type", func(t *testing.T) {
		server.do(t, "FLUSHALL")
		server.do(t, "HSET", g, "field", "value")
		_, err := store(t, server.Address).Load(bounded(t), key)
		require.ErrorContains(t, err, "valkeystore: load 6b86b273: ")
		require.ErrorContains(t, err, "WRONGTYPE")
		require.ErrorContains(t, err, "set another Store.Prefix")
	})
}

// Fractions of a millisecond make a value shorter and a lease longer.
func TestFractions(t *testing.T) {
	server := start(t)
	s := store(t, server.Address)
	generation := prepare(t, s)
	lease, err := s.Lease(bounded(t), key, "owner", false, time.Hour+1)
	require.NoError(t, err)
	require.Equal(t, shared.Lease{Owner: "owner", Left: time.Hour + time.Millisecond}, lease)
	lease, err = s.Lease(bounded(t), key, "owner", false, -time.Hour)
	require.NoError(t, err)
	require.Zero(t, lease)
	kept, err := s.Save(bounded(t), key, "owner", shared.Value{Sealed: []byte("x"), Left: time.Millisecond - 1, Generation: generation})
	require.NoError(t, err)
	require.True(t, kept)
	misses(t, s, generation+1)
}

func TestSettings(t *testing.T) {
	sendToReplicas := func(valkey.Completed) bool { return true }
	for name, test := range map[string]struct {
		store *valkeystore.Store
		want  string
	}{
		"no address": {&valkeystore.Store{}, "InitAddress is missing"},
		"URL":        {&valkeystore.Store{Client: valkey.ClientOption{InitAddress: []string{"redis://:hunter4711@127.0.0.1"}}}, "valkey.ParseURL"},
		"replicas":   {&valkeystore.Store{Client: valkey.ClientOption{InitAddress: []string{"x:1"}, SendToReplicas: sendToReplicas}}, "replicas"},
		"a replica":  {&valkeystore.Store{Client: valkey.ClientOption{InitAddress: []string{"x:1"}, ReplicaOnly: true}}, "replicas"},
		"prefix":     {&valkeystore.Store{Client: valkey.ClientOption{InitAddress: []string{"x:1"}}, Prefix: "a{b"}, `Store.Prefix "a{b"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.store.Load(bounded(t), key)
			require.ErrorContains(t, err, "valkeystore: ")
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter4711")
		})
	}
	_, err := store(t, "/run/valkey/socket").Load(bounded(t), key)
	require.NotContains(t, err.Error(), "URL", "DialCtxFn may dial a socket")
	s := store(t, "127.0.0.1:1")
	for _, key := range []string{"", "short", strings.Repeat("x", 64)} {
		_, err := s.Load(bounded(t), key)
		require.ErrorContains(t, err, "64 hexadecimal digits")
	}
	for _, owner := range []string{"", strings.Repeat("x", 1025)} {
		_, err := s.Lease(bounded(t), key, owner, false, time.Second)
		require.ErrorContains(t, err, "the owner of a lease has")
	}
	_, err = s.Save(bounded(t), key, "owner", shared.Value{Sealed: make([]byte, 64<<10+1)})
	require.ErrorContains(t, err, "65537 bytes: at most 65536")
}

func TestNoSecret(t *testing.T) {
	s := store(t, "127.0.0.1:1")
	s.Client.Password = "hunter4711"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		require.Equal(t, `valkeystore.Store{Prefix:"stschain:"}`, fmt.Sprintf(verb, s))
		require.NotContains(t, fmt.Sprintf(verb, struct{ Store shared.Store }{s}), "hunter4711")
	}
}
