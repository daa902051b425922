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
	for _, s := range suites {
		require.GreaterOrEqual(t, len(s.mutants), 20, s.name)
		seen := map[string]bool{}
		for _, m := range s.mutants {
			_, err := m.apply(s.folder)
			require.NoError(t, err)
			require.False(t, seen[m.breaks], "twice: %s", m.breaks)
			seen[m.breaks] = true
		}
	}
}
