package shared_test

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
)

var badValues = flag.Int("values.bad", 5_000, "values of TestBadValues")

// TestBadValues stores values that are wrong: changed bytes, and ones that open under the key and are wrong in one field.
// None is used, and none is an error.
func TestBadValues(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine retrieves all values")
	}
	w := &fleet{t: t}
	p := w.process()
	id, err := p.Identity(t.Context())
	require.NoError(t, err)
	const generation = 7
	s := &fixed{}
	p.Store = s
	rnd := rand.New(rand.NewPCG(1, 2))
	fields := []func(*shared.Record, *shared.Value){
		func(r *shared.Record, _ *shared.Value) { r.AccessKeyID = "" },
		func(r *shared.Record, _ *shared.Value) { r.AccessKeyID += pick(rnd, " ", "\n", "ü", "\x00") },
		func(r *shared.Record, _ *shared.Value) { r.SecretAccessKey = "" },
		func(r *shared.Record, _ *shared.Value) { r.SecretAccessKey += pick(rnd, " ", "\n", "\x7f") },
		func(r *shared.Record, _ *shared.Value) { r.SessionToken += pick(rnd, "\t", "\r\n", " ") },
		func(r *shared.Record, _ *shared.Value) { r.Account = pick(rnd, "", "123456789013", "12345678901", "*") },
		func(r *shared.Record, _ *shared.Value) { r.Life = -time.Duration(rnd.Int64N(int64(time.Hour))) },
		func(r *shared.Record, _ *shared.Value) {
			r.Life = 36*time.Hour + 1 + time.Duration(rnd.Int64N(int64(time.Hour)))
		},
		func(r *shared.Record, v *shared.Value) {
			v.Left = r.Life + 5*time.Minute + 1 + time.Duration(rnd.Int64N(int64(time.Hour)))
		},
		func(r *shared.Record, v *shared.Value) { v.Left = -time.Duration(rnd.Int64N(int64(time.Hour))) },
		func(r *shared.Record, v *shared.Value) { // it ended long ago by this machine's clock
			r.Ends = time.Now().Add(-time.Duration(rnd.Int64N(int64(time.Hour))))
			v.Left = 30 * time.Minute
		},
	}
	opened := 0
	for i := range *badValues {
		s.value = shared.Value{Left: time.Hour, Generation: generation}
		if i%2 == 0 {
			opened++
			s.value.Sealed = p.Seal(id, generation, func(r *shared.Record) { fields[rnd.IntN(len(fields))](r, &s.value) })
		} else {
			s.value.Sealed = spoil(rnd, p.Seal(id, generation, func(*shared.Record) {}), p.Seal(id, generation+1, func(*shared.Record) {}))
		}
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, "ASIAGOOD", strings.TrimSpace(creds.AccessKeyID))
	}
	require.Equal(t, *badValues, w.called())
	require.GreaterOrEqual(t, opened, *badValues/2)
}

func pick(rnd *rand.Rand, texts ...string) string { return texts[rnd.IntN(len(texts))] }

// spoil changes sealed bytes in a way that happens: bits flip, the end is lost, parts are swapped with another value.
func spoil(rnd *rand.Rand, good, other []byte) []byte {
	sealed := bytes.Clone(good)
	switch n := rnd.IntN(len(sealed)); rnd.IntN(5) {
	case 0:
		sealed[n] ^= 1 << rnd.IntN(8)
	case 1:
		sealed = sealed[:n]
	case 2:
		sealed = append(sealed, byte(n))
	case 3:
		sealed = other
	case 4:
		sealed = append(sealed[:n:n], other[min(n, len(other)):]...)
	}
	if bytes.Equal(sealed, good) { // the part of the other value is the same, by chance
		sealed[0] ^= 1
	}
	return sealed
}

// fixed always has the same value, and takes no other.
type fixed struct{ value shared.Value }

func (s *fixed) Load(context.Context, string) (shared.Value, error) { return s.value, nil }

func (s *fixed) Lease(_ context.Context, _, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	if ttl == 0 {
		return shared.Lease{}, nil
	}
	return shared.Lease{Owner: owner, Pause: pause, Left: ttl}, nil
}

func (s *fixed) Save(context.Context, string, string, shared.Value) (bool, error) { return true, nil }

func (s *fixed) Revoke(context.Context, string, uint64) error { return nil }

// FuzzValue: whatever the store has, it is used only if it was sealed for this entry, and never an error.
func FuzzValue(f *testing.F) {
	w := &fleet{}
	p := w.process()
	id, err := p.Identity(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	good := p.Seal(id, 7, func(*shared.Record) {})
	f.Add([]byte{}, len(good), int64(time.Hour), uint64(7))
	f.Add([]byte{1}, len(good), int64(time.Hour), uint64(7))
	f.Add([]byte{}, 20, int64(-1), uint64(1<<63))
	f.Fuzz(func(t *testing.T, change []byte, size int, left int64, generation uint64) {
		sealed := append(bytes.Clone(good), change[min(len(change), len(good)):]...)
		for i := range min(len(change), len(good)) {
			sealed[i] ^= change[i]
		}
		sealed = sealed[:max(0, min(size, len(sealed)))]
		p := w.process()
		p.OnEvent, p.Store = nil, &fixed{shared.Value{Sealed: sealed, Left: time.Duration(left), Generation: generation}}
		creds, err := p.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if used := creds.AccessKeyID == "ASIAGOOD"; used && !(bytes.Equal(sealed, good) && generation == 7) {
			t.Fatalf("%x of generation %d is used", sealed, generation)
		}
		if creds.ExpiredAt(time.Now()) || creds.Expires.After(time.Now().Add(time.Hour+time.Second)) {
			t.Fatal(creds.Expires)
		}
	})
}

var _ stschain.CachedProvider = (*shared.Provider)(nil)
