package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// An edit whose text has changed tests nothing.
func TestMutantsApply(t *testing.T) {
	t.Chdir("../../..")
	require.GreaterOrEqual(t, len(mutants), 20)
	seen := map[string]bool{}
	for _, m := range mutants {
		_, err := m.apply()
		require.NoError(t, err)
		require.False(t, seen[m.breaks], "twice: %s", m.breaks)
		seen[m.breaks] = true
	}
}
