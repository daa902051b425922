package dirstore_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
	"github.com/stschain-go/stschain/shared/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Setup {
		dir := t.TempDir()
		mock := clock.NewMock()
		mock.Set(time.Now())
		flush := func() {
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				require.NoError(t, os.RemoveAll(filepath.Join(dir, e.Name())))
			}
		}
		var hangs atomic.Bool
		end := make(chan struct{})
		t.Cleanup(func() { close(end) })
		setup := storetest.Setup{Flush: flush, Advance: mock.Add, Hang: func() { hangs.Store(true) }}
		for range 3 {
			s := &dirstore.Store{Dir: dir, Clock: mock}
			s.SetNetwork(func(*os.File) (string, error) { // as a disk would
				if hangs.Load() {
					<-end
				}
				return "", nil
			})
			setup.Stores = append(setup.Stores, s)
		}
		return setup
	})
}

func TestStoreInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for seconds")
	}
	storetest.Run(t, func(t *testing.T) storetest.Setup {
		dir := t.TempDir()
		return storetest.Setup{Stores: []shared.Store{&dirstore.Store{Dir: dir}, &dirstore.Store{Dir: dir}}}
	})
}
