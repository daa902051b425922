// Package valkeystore is a shared.Store on Valkey or Redis. It is a separate module, because it requires valkey-go.
//
//	ACL SETUSER stschain on >PASSWORD resetchannels ~stschain:* \
//	    +eval +evalsha +get +set +del +incr +strlen +pttl +pexpire +ping +cluster|slots +cluster|shards
package valkeystore
