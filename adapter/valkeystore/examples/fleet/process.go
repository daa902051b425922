package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/stsquery"
)

const roleARN = "arn:aws:iam::123456789012:role/fleet"

// process is a process of the fleet. It retrieves credentials all the time, and prints the access key ID when it changes.
// It ends when its standard input does.
func process(ctx context.Context) error {
	creds, err := newCredentials()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		io.Copy(io.Discard, os.Stdin)
	}()
	for id := ""; ; {
		c, err := creds.Retrieve(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case c.AccessKeyID != id:
			id = c.AccessKeyID
			fmt.Println(id)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// newCredentials returns the credentials of the role, which are shared if there is a store.
func newCredentials() (stschain.CachedProvider, error) {
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: &env.Provider{},
			Region:      "eu-west-1",
			Endpoint:    os.Getenv("FLEET_STS"),
			HTTPClient:  &http.Client{Transport: marked{}},
		},
		RoleARN:     roleARN,
		SessionName: "fleet", // the default has the name of the host, and is different in each program
	}
	address := os.Getenv("FLEET_STORE")
	if address == "" {
		return &stschain.Cache{Provider: role}, nil
	}
	store, err := openStore(address)
	key, err2 := secret("FLEET_KEY")
	namingKey, err3 := secret("FLEET_NAMING_KEY")
	if err = cmp.Or(err, err2, err3); err != nil {
		return nil, err
	}
	return &stschain.Cache{Provider: &shared.Provider{
		Provider:  role,
		Store:     store,
		Keys:      []stschain.Secret{key},
		NamingKey: namingKey,
		OpTimeout: 5 * time.Second, // a machine that starts 50 processes at once is busy
	}}, nil
}

// secret reads a key in hexadecimal.
func secret(variable string) (stschain.Secret, error) {
	key, err := hex.DecodeString(os.Getenv(variable))
	if err != nil { // its text has a part of the key
		return stschain.Secret{}, fmt.Errorf("%s is not hexadecimal", variable)
	}
	return stschain.NewSecret(string(key)), nil
}

const processHeader = "X-Process"

// marked adds the process to a request, so that the demonstration can kill the one that calls STS.
type marked struct{}

func (marked) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(processHeader, strconv.Itoa(os.Getpid()))
	return http.DefaultTransport.RoundTrip(r)
}
