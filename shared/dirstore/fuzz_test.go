package dirstore_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
)

// FuzzParse reads files: text with and without a checksum. Those that are valid stay the same when they are written again,
// and a Store that finds one returns a value and a lease within their limits.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "{}", "null", `{"generation":1}`, `{"generation":4503599627370496,"sealed":"AAEC","saved":1,"life":3600000000000}`,
		`{"generation":1,"owner":"YQ==","pause":true,"taken":1,"ttl":9223372036854775807}`,
		`{"generation":1,"owner":"YQ==","taken":0,"ttl":1,"lock":"00112233445566778899aabbccddeeff","later":1}`,
		`{"generation":1,"owner":"YQ==","ttl":1,"lock":"../../../../../../../../etc/hosts"}`, `{"generation":-1}`,
	} {
		f.Add([]byte(text), true)
		f.Add([]byte("stschain-dirstore-1 "+text), false)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, sum bool) {
		if sum {
			content = fmt.Appendf(nil, "stschain-dirstore-1 %x\n%s", sha256.Sum256(content), content)
		}
		again, err := dirstore.Reencode(content)
		if err != nil {
			return
		}
		third, err := dirstore.Reencode(again)
		require.NoError(t, err)
		require.Equal(t, string(again), string(third))

		path := filepath.Join(dir, one)
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, os.Mkdir(path, 0o700))
		id := filepath.Join(path, two[:32])
		require.NoError(t, os.WriteFile(id, content, 0o600))
		require.NoError(t, os.WriteFile(id+".current", nil, 0o600))
		s := &dirstore.Store{Dir: dir, Clock: fixed{}}
		v, err := s.Load(t.Context(), one)
		require.True(t, err == nil || err == shared.ErrMissing, err)
		require.NotZero(t, v.Generation)
		require.LessOrEqual(t, len(v.Sealed), 64<<10)
		lease, err := s.Lease(t.Context(), one, "looks", false, 0)
		require.NoError(t, err)
		require.Equal(t, lease.Owner == "", lease.Left == 0)
	})
}

type fixed struct{}

func (fixed) Now() time.Time { return time.Unix(1_800_000_000, 0) }
