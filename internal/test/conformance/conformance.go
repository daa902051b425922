// Package conformance finds the test vectors that are not in the repository.
package conformance

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the folder of the conformance data: the value of
// STSCHAIN_CONFORMANCE, or shared/conformance next to the repository. If it
// does not exist the test is skipped, and in CI (CI=true) it fails.
func Dir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STSCHAIN_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join(projectRoot(t), "..", "shared", "conformance")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("conformance data is required in CI: %v", err)
		}
		t.Skipf("no conformance data at %s; set STSCHAIN_CONFORMANCE to run these tests", dir)
	}
	return dir
}

// projectRoot is the nearest folder upwards that has a go.mod: go test runs
// each package's tests in the package's folder.
func projectRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}
