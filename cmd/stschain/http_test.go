package main

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An endpoint of plain http needs a flag, and the error says which.
// Report: ClickHouse#110699.
func TestAllowHTTP(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("0.0.0.0 cannot be called there")
	}
	w := newWorld(t).keys()
	w.env["AWS_ENDPOINT_URL_STS"] = strings.Replace(w.sts.URL(), "127.0.0.1", "0.0.0.0", 1) // not a loopback address by its name
	w.config("[profile dev]\nrole_arn = " + roleARN + "\ncredential_source = Environment\n")
	for _, args := range [][]string{{"whoami"}, {"env", "-role-arn", roleARN}, {"env", "-profile", "dev"}} {
		code, _, stderr := w.run(args...)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "AWS_ENDPOINT_URL_STS: the value is plain http")
		require.Contains(t, stderr, "use https, or give -allow-http")
		code, stdout, stderr := w.run(append(args, "-allow-http")...)
		require.Equal(t, exitOK, code, stderr)
		require.NotEmpty(t, stdout)
	}
	code, _, stderr := w.run("version", "-allow-http")
	require.Equal(t, exitUsage, code, stderr)
}
