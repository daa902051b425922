//go:build linux || darwin || freebsd

package profile_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

// A program that has run out of descriptors learns of that, wherever it is when it looks for its files.
func TestOutOfDescriptors(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(home+"/.aws", 0o700))
	require.NoError(t, os.WriteFile(home+"/.aws/config", []byte("[default]\naws_access_key_id = AKIDA\naws_secret_access_key = b\n"), 0o600))
	for name, value := range map[string]string{"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "", "AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": ""} {
		t.Setenv(name, value)
	}
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	for name, value := range map[string]string{"with HOME": home, "without HOME": ""} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", value)
			low := limit
			low.Cur = 64
			require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
			var taken []*os.File
			for {
				f, err := os.Open(os.DevNull)
				if err != nil {
					break
				}
				taken = append(taken, f)
			}
			_, err := new(profile.Provider).Retrieve(t.Context())
			for _, f := range taken {
				f.Close()
			}
			require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
			require.ErrorContains(t, err, "too many open files")
			require.False(t, stschain.IsUnavailable(err), "%v", err)
		})
	}
}
