package env_test

import (
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain/source/env"
)

// FuzzExpiration: a date is the instant that time.Parse finds in it, and in each of the forms that
// tools write it is the same; what has passed is refused, and so is what is none.
func FuzzExpiration(f *testing.F) {
	f.Add("2026-11-21T13:00:00Z", int64(1795284000), 0)
	f.Add("2026-11-21T13:00:00.123+0530", int64(253402300799), 90)
	f.Add("20261121T130000Z", int64(-1), -720)
	f.Add("0001-01-01T00:00:00Z", int64(0), 1)
	now := clock.NewMock()
	now.Set(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	read := func(t *testing.T, value string) (time.Time, error) {
		c, err := (&env.Provider{Clock: now, LookupEnv: from("AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY="+secret, "AWS_CREDENTIAL_EXPIRATION="+value)}).Retrieve(t.Context())
		return c.Expires, err
	}
	f.Fuzz(func(t *testing.T, value string, unix int64, minutes int) {
		if at, err := read(t, value); err == nil && !at.IsZero() && !at.After(now.Now()) {
			t.Fatalf("%q is %v, which has passed", value, at)
		}
		want := time.Unix(unix%253402300800, 0).In(time.FixedZone("", minutes%(14*60)*60))
		if want.Year() < 0 || want.Year() > 9999 {
			return
		}
		for _, layout := range []string{time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "20060102T150405Z0700"} {
			switch got, err := read(t, want.Format(layout)); {
			case (err == nil) != want.After(now.Now()):
				t.Fatalf("%s: %v", want.Format(layout), err)
			case err == nil && !got.Equal(want):
				t.Fatalf("%s is %v", want.Format(layout), got)
			}
		}
	})
}
