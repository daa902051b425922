package dirstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
)

// A shared.Provider does this for its callers, with sealed values.
func Example() {
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temp)
	ctx, key := context.Background(), "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"

	// Two processes would have a Store each.
	first := &dirstore.Store{Dir: filepath.Join(temp, "store")}
	second := &dirstore.Store{Dir: filepath.Join(temp, "store")}
	lease, err := first.Lease(ctx, key, "first", false, 2*time.Second)
	fmt.Println(lease.Owner, err)
	lease, err = second.Lease(ctx, key, "second", false, 2*time.Second)
	fmt.Println(lease.Owner, err)

	v, err := first.Load(ctx, key)
	fmt.Println(err)
	kept, err := first.Save(ctx, key, "first", shared.Value{Sealed: []byte("sealed"), Left: time.Hour, Generation: v.Generation})
	fmt.Println(kept, err)

	v, err = second.Load(ctx, key)
	fmt.Printf("%s %v\n", v.Sealed, err)
	// Output:
	// first <nil>
	// first <nil>
	// shared: the store has no value
	// true <nil>
	// sealed <nil>
}
