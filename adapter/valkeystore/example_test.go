package valkeystore_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/shared"
)

const entry = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"

// The store of a fleet on one server with TLS. A shared.Provider calls its methods.
func ExampleStore() {
	store := &valkeystore.Store{Client: valkey.ClientOption{
		InitAddress: []string{"valkey.internal:6379"},
		Username:    "stschain",
		Password:    os.Getenv("VALKEY_PASSWORD"),
		TLSConfig:   &tls.Config{},
	}}
	defer store.Close()
	if _, err := store.Load(context.Background(), entry); errors.Is(err, shared.ErrMissing) {
		fmt.Println("connected")
	}
}

// Three sentinels that watch the primary "fleet".
func ExampleStore_sentinel() {
	store := &valkeystore.Store{Client: valkey.ClientOption{
		InitAddress: []string{"sentinel-0:26379", "sentinel-1:26379", "sentinel-2:26379"},
		Sentinel:    valkey.SentinelOption{MasterSet: "fleet"},
	}}
	defer store.Close()
	if _, err := store.Load(context.Background(), entry); errors.Is(err, shared.ErrMissing) {
		fmt.Println("connected")
	}
}

// Errors name the operation and the first digits of the key, and say what to do.
func ExampleStore_Load() {
	store := &valkeystore.Store{Client: valkey.ClientOption{
		InitAddress: []string{"rediss://:secret@valkey.internal:6379"},
	}}
	_, err := store.Load(context.Background(), entry)
	fmt.Println(err)
	// Output:
	// valkeystore: Store.Client.InitAddress contains a URL: it takes host:port; valkey.ParseURL makes a Client from a URL
}
