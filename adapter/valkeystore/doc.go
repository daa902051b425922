// Package valkeystore keeps shared credentials in Valkey, or in Redis 6 or later. It is a separate module, because it
// requires valkey-go.
//
//	store := &valkeystore.Store{Client: valkey.ClientOption{
//		InitAddress: []string{"valkey.internal:6379"},
//		Username:    "stschain",
//		Password:    os.Getenv("VALKEY_PASSWORD"),
//		TLSConfig:   &tls.Config{},
//	}}
//	provider := &shared.Provider{Store: store, ...}
//
// The server sees sealed values only: it cannot read the credentials. It can withhold them, and a client that can write to it can
// delete them, so use a password and TLS.
//
// # Servers
//
// One server is enough: if it is down, programs call STS themselves, and if it lost its data, they fill it again. It needs no
// persistence and little memory: a role takes about 3 kB. Set maxmemory-policy to volatile-lru, or leave memory free: a full
// server that evicts nothing refuses leases and new values.
//
// For Sentinel, list the sentinels in Client.InitAddress and set Client.Sentinel.MasterSet; Client.Sentinel.TopologyRefreshInterval
// finds a failover whose announcement was missed. For a cluster, list any of its nodes. A failover may lose the last
// writes: then two programs call STS, and both sessions are valid. If a server turns out to be a replica, the store connects
// again, so a name that leads to the new primary is sufficient after a failover.
//
// All operations go to the primary. A Client that reads from replicas is refused.
//
// # Users
//
// This user may do what the store needs, and nothing else:
//
//	ACL SETUSER stschain on >PASSWORD resetchannels ~stschain:* \
//	    +eval +evalsha +get +set +del +incr +strlen +pttl +pexpire +ping +cluster|slots +cluster|shards
//
// The keys begin with Store.Prefix. The client uses the last two commands to find out whether the server is part of a cluster.
//
// # What it does on the server
//
// A method of the store is one Lua script on the three keys of one entry, which share a hash tag: PREFIX{KEY}g is the
// generation, PREFIX{KEY}v the value, and PREFIX{KEY}l the lease. All expire, by the clock of the server only. Scripts are run by
// EVALSHA, and by EVAL if the server does not have them yet, which it reports before it runs anything. Nothing is repeated after
// an error: a script whose reply was lost may have been executed.
//
// valkey-go panics at sizes that are negative or huge, at replies to no command, and at redirections without an address
// (https://github.com/valkey-io/valkey-go/pull/183). So each connection checks what the server sends before valkey-go reads it: strings of at
// most 256 KiB, arrays of at most 32,768 elements, 8 arrays in one another, and 4 MiB in all. With Sentinel that is not sufficient: a malformed
// announcement of a sentinel, or of a client that can publish on it, or a malformed reply to ROLE, can crash the clients. Use passwords and
// TLS there.
package valkeystore
