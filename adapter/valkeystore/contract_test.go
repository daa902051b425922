//go:build unix

package valkeystore_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

func TestContract(t *testing.T) {
	server := start(t)
	storetest.Run(t, func(t *testing.T) storetest.Setup {
		return storetest.Setup{
			Stores: []shared.Store{store(t, server.Address), store(t, server.Address)},
			Flush:  func() { server.do(t, "FLUSHALL") },
			Hang: func() {
				require.NoError(t, server.Process.Signal(syscall.SIGSTOP))
				t.Cleanup(func() { server.Process.Signal(syscall.SIGCONT) })
			},
		}
	})
}
