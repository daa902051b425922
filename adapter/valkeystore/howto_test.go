package valkeystore_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/stsquery"
)

// The code of docs/how-to/fleet.md and docs/how-to/fleet/README.md, which is compiled, and not run.
var _ = []any{fleetOf, machineOf, keyOf, ofNodes, storeOf}

func fleetOf(sts *stsquery.Client, roleARN, password string, key, namingKey stschain.Secret, events interface {
	WithLabelValues(...string) interface{ Inc() }
}) *http.Client {
	onEvent := func(e shared.Event) {
		events.WithLabelValues(e.Kind.String()).Inc() // a prometheus.CounterVec
		if e.Err != nil {
			slog.Warn("shared credentials", "event", e.Kind, "identity", e.Identity, "error", e.Err)
		}
	}

	role := &assumerole.Provider{Client: sts, RoleARN: roleARN, SessionName: "backup"}
	fleet := &shared.Provider{
		Provider:  role,
		Store:     &valkeystore.Store{Client: valkey.ClientOption{InitAddress: []string{"valkey.internal:6379"}, Username: "stschain", Password: password, TLSConfig: &tls.Config{}}},
		Keys:      []stschain.Secret{key},
		NamingKey: namingKey,
		OnEvent:   onEvent,
	}
	creds := &stschain.Cache{Provider: fleet, OnEvent: stschain.LogEvents(nil)}
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds}}
	return client
}

func machineOf(role stschain.Provider, fleet *shared.Provider, dir string, keys []stschain.Secret, namingKey stschain.Secret) *shared.Provider {
	machine := &shared.Provider{Provider: role, Store: &dirstore.Store{Dir: dir}, Keys: keys, NamingKey: namingKey}
	machine.Provider = fleet
	return machine
}

func keyOf() (stschain.Secret, error) {
	text, err := base64.StdEncoding.DecodeString(os.Getenv("STSCHAIN_KEY"))
	key := stschain.NewSecret(string(text))
	return key, err
}

type node struct{ imds.Provider }

func (*node) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("node", "profile=fleet-node"), nil
}

func ofNodes() *stsquery.Client {
	sts := &stsquery.Client{Credentials: &node{}, Region: "eu-west-1"}
	return sts
}

func storeOf() *valkeystore.Store {
	option := valkey.ClientOption{
		InitAddress: []string{os.Getenv("VALKEY_ADDRESS")},
		Username:    "stschain",
		Password:    os.Getenv("VALKEY_PASSWORD"),
	}
	if file := os.Getenv("VALKEY_CA"); file != "" {
		authority, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authority) {
			log.Fatalf("%s has no certificate", file)
		}
		option.TLSConfig = &tls.Config{RootCAs: roots}
	}
	store := &valkeystore.Store{Client: option}
	return store
}
