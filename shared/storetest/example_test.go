package storetest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// A store that loses the first Save after it returned that it was kept.
func ExampleMemory() {
	saves := 0
	store := &storetest.Memory{Fault: func(op storetest.Operation, _ string) storetest.Fault {
		if op == storetest.Save {
			saves++
			if saves == 1 {
				return storetest.Dropped
			}
		}
		return storetest.None
	}}
	ctx, key := context.Background(), "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
	if _, err := store.Lease(ctx, key, "this process", false, time.Minute); err != nil {
		fmt.Println(err)
	}
	for range 2 {
		v, err := store.Load(ctx, key)
		fmt.Println("load:", err)
		kept, err := store.Save(ctx, key, "this process", shared.Value{Sealed: []byte("sealed"), Left: time.Hour, Generation: v.Generation})
		fmt.Println("save:", kept, err)
	}
	v, err := store.Load(ctx, key)
	fmt.Printf("load: %s, %v\n", v.Sealed, err)
	// Output:
	// load: shared: the store has no value
	// save: true <nil>
	// load: shared: the store has no value
	// save: true <nil>
	// load: sealed, <nil>
}
