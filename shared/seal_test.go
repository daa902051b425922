package shared_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// Processes with different versions of this package share entries: names and values stay the same.
func TestFormat(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		id, err := p.Identity(t.Context())
		require.NoError(t, err)
		digest := id.Digest()
		mac := hmac.New(sha256.New, []byte(names.Reveal()))
		mac.Write([]byte("stschain-shared-1" + string(digest[:])))
		require.Equal(t, hex.EncodeToString(mac.Sum(nil)), w.keyOf(p))
	})
}

// A value at a limit is used. One beyond it is not, and the event says why.
func TestValueLimits(t *testing.T) {
	const (
		longest = 36 * time.Hour
		plain   = 64<<10 - 12 - 16 // without the nonce and the tag
	)
	life := func(d time.Duration) func(*shared.Record) {
		return func(r *shared.Record) { r.Life, r.Ends = d, r.Ends.Add(longest) }
	}
	size := func(n int) func(*shared.Record) {
		return func(r *shared.Record) {
			r.SessionToken = ""
			r.SessionToken = strings.Repeat("t", n-len(shared.Encode(*r)))
		}
	}
	none := func(*shared.Record) {}
	for name, tt := range map[string]struct {
		change func(*shared.Record)
		left   time.Duration
		want   string // "": it is used
	}{
		"a usual one":        {none, time.Hour, ""},
		"the largest":        {size(plain), time.Hour, ""},
		"too large":          {size(plain + 1), time.Hour, "it has 65537 bytes, and at most 65536 are allowed"},
		"the longest":        {life(longest), longest, ""},
		"too long":           {life(longest + 1), longest, "it is valid for 36h0m0.000000001s, and at most 36h0m0s are allowed"},
		"much too long":      {life(longest + time.Hour), longest, "it is valid for 37h0m0s, and at most 36h0m0s are allowed"},
		"the shortest":       {life(1), time.Minute, ""},
		"of no time":         {life(0), time.Minute, "it is valid for 0s, and at most 36h0m0s are allowed"},
		"of negative time":   {life(-1), time.Minute, "it is valid for -1ns, and at most 36h0m0s are allowed"},
		"stored for longest": {none, time.Hour + 5*time.Minute, ""},
		"stored for longer":  {none, time.Hour + 5*time.Minute + 1, "the store keeps it for 1h5m0.000000001s, longer than its lifetime of 1h0m0s"},
		"expired":            {none, 0, "it has expired"},
		"expired before":     {none, -1, "it has expired"},
		"without an ID":      {func(r *shared.Record) { r.AccessKeyID = "" }, time.Hour, "it has no complete credentials"},
		"without a secret":   {func(r *shared.Record) { r.SecretAccessKey = "" }, time.Hour, "it has no complete credentials"},
		"malformed":          {func(r *shared.Record) { r.SessionToken = "a b" }, time.Hour, "its credentials are malformed"},
		"of another account": {func(r *shared.Record) { r.Account = "999999999999" }, time.Hour, `it is for account "999999999999", and 123456789012 is required`},
		"not a record":       {nil, time.Hour, "it is not a record of credentials"},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			p := w.process()
			var got []string
			p.OnEvent = func(e shared.Event) {
				if e.Kind == shared.Unusable {
					got = append(got, e.Err.Error())
				}
			}
			id, err := p.Identity(t.Context())
			require.NoError(t, err)
			sealed := p.SealBytes(id, 7, []byte("[]"))
			if tt.change != nil {
				sealed = p.Seal(id, 7, tt.change)
			}
			p.Store = &fixed{shared.Value{Sealed: sealed, Left: tt.left, Generation: 7}}
			creds, err := p.Retrieve(t.Context())
			require.NoError(t, err, name)
			if tt.want == "" {
				require.Equal(t, "ASIAGOOD", creds.AccessKeyID, name)
				require.Empty(t, got, name)
				return
			}
			require.Equal(t, "ASIA1", creds.AccessKeyID, name)
			want := "shared: the value in the store cannot be used: " + tt.want
			require.Equal(t, []string{want, want}, got, name) // it is loaded again with the lease
		})
	}
}

// A value that is left for a nanosecond is valid, though it is refreshed.
func TestValueEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		id, err := p.Identity(t.Context())
		require.NoError(t, err)
		p.Store = &fixed{shared.Value{Sealed: p.Seal(id, 7, func(*shared.Record) {}), Left: 1, Generation: 7}}
		require.Equal(t, "ASIA1", w.get(p))
		_, events := w.did()
		require.Equal(t, []string{"refreshed"}, events)
	})
}

// A value cannot have an end after the year 9999. Credentials with one are returned, and not saved.
func TestEndCannotBeSaved(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Clock = lastDay{}
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			creds := w.credentials(n)
			creds.Expires = lastDay{}.Now().Add(time.Hour)
			return creds, nil
		}
		require.Equal(t, "ASIA1", w.get(p))
		ops, _ := w.did()
		require.Equal(t, []storetest.Operation{opLoad, opLease, opLoad}, ops)
	})
}

type lastDay struct{}

func (lastDay) Now() time.Time { return time.Date(9999, time.December, 31, 23, 30, 0, 0, time.UTC) }
