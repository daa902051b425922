package process_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/process"
)

// A caller that retrieves for each request runs the program once for as long as its credentials live, or once
// in a quarter of an hour if they say nothing of that.
// Reports: vector#21622, nix#16209, rolesanywhere-credential-helper#31.
func TestNotPerRequest(t *testing.T) {
	const keys = `{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"` + secret + `"`
	for name, expires := range map[string]bool{"expires": true, "says nothing": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				p := &process.Provider{Command: "helper", Run: func(context.Context, string) ([]byte, error) {
					runs++
					if expires {
						return []byte(keys + `,"Expiration":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`), nil
					}
					return []byte(keys + "}"), nil
				}}
				cache := stschain.Cached(p)
				for range 3600 {
					_, err := cache.Retrieve(t.Context())
					require.NoError(t, err)
					<-time.After(time.Second)
				}
				synctest.Wait()
				if expires {
					require.Equal(t, 2, runs, "the second one in the advisory window")
				} else {
					require.Equal(t, 4, runs)
				}
			})
		})
	}
}
