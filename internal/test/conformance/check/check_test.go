package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestCheck(t *testing.T) {
	const table = "| folder | repository | commit | path there | files |\n|---|---|---|---|---|\n| a/*.json | o/r | 1234567 | b | 2 |\n| c | o/r | 1234567 | d | 1 |\n"
	folder := fstest.MapFS{"a/1.json": {}, "a/LICENSE": {}, "c/d/e": {}}
	var out strings.Builder
	require.False(t, check(&out, folder, table))
	require.Equal(t, "missing: a/*.json has 1 of 2 files; copy https://github.com/o/r b, at 1234567\n", out.String())
	folder["a/2.json"] = &fstest.MapFile{}
	require.True(t, check(&out, folder, table))
}

// The document describes the folder that the tests use.
func TestDocument(t *testing.T) {
	table, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "conformance.md"))
	require.NoError(t, err)
	var out strings.Builder
	require.True(t, check(&out, os.DirFS(conformance.Dir(t)), string(table)), out.String())
}
