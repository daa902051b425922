package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/wire"
)

// Everything that tools write and botocore 1.43.11 reads is read, and nothing that it does not.
// Reports: aws-sdk-go#3324, botocore#1980.
func TestParseTime(t *testing.T) {
	want := time.Date(2031, 4, 5, 6, 7, 8, 0, time.UTC)
	half := want.Add(500 * time.Millisecond)
	for text, want := range map[string]time.Time{
		"2031-04-05T06:07:08Z":            want,
		"2031-04-05t06:07:08z":            want,
		"2031-04-05T06:07:08.5Z":          half,
		"2031-04-05T06:07:08,500000000Z":  half,
		"2031-04-05 06:07:08.5+00:00":     half, // json.dumps(default=str) in Python
		"2031-04-05 11:37:08+0530":        want,
		"2031-04-05 04:07:08 -02":         want,
		"2031-04-05T06:07:08UTC":          want, // old versions of the AWS CLI
		"2031-04-05T06:07:08 UTC":         want,
		"2031-04-05 06:07:08 GMT":         want,
		"2031-04-05T06:07Z":               want.Truncate(time.Minute),
		"2031-04-05T060708Z":              want,
		"20310405T060708Z":                want,
		"20310405T060708+0000":            want,
		"20310405T06:07:08Z":              want,
		"20310405060708Z":                 want,
		"Sat, 05 Apr 2031 06:07:08 GMT":   want,
		"Sat, 5 Apr 2031 06:07:08 GMT":    want,
		"Fri, 04 Apr 2031 23:07:08 -0700": want,
		"5 Apr 2031 06:07:08 +0000":       want,
		"1933135628":                      want,
		"1933135628.5":                    half,
		" 2031-04-05T06:07:08Z\n":         want,
	} {
		got, ok := wire.ParseTime(text)
		require.True(t, ok, text)
		require.True(t, want.Equal(got), "%s is %s", text, got)
	}
	for _, text := range []string{
		"", "tomorrow", "2031-04-05", "2031-04-05T06:07:08", "2031-04-05 06:07:08", "20310405T060708", // no zone
		"2031-04-05T06:07:08EST", "2031-04-05T24:00:00Z", "2031-04-05T06:07:60Z", "2031-02-30T06:07:08Z",
		"2031-04-05T06:07:08+24:00", "2031-04-05T06:07:08+2460", "2031-04-05T06:07:08+0:000", "2031-04-05T06:07:08Z junk",
		"20310405", "1933135628Z", "1.5.5000000", "99999999999999", "0001-01-01T00:00:00Z", "Z", "+00",
	} {
		_, ok := wire.ParseTime(text)
		require.False(t, ok, text)
	}
}

// FuzzParseTime: what is read can be written in RFC 3339, and is then the same.
func FuzzParseTime(f *testing.F) {
	for _, text := range []string{
		"2031-04-05T06:07:08Z", "2031-04-05 06:07:08.123456+05:30", "20310405T060708UTC", "Sat, 5 Apr 2031 06:07:08 GMT", "1933135628.5",
		"9999-12-31T23:59:59-2359", "2031-04-05T06:07:08+24:60", "0000-01-01T00:00Z",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, ok := wire.ParseTime(text)
		if !ok {
			return
		}
		again, ok := wire.ParseTime(read.Format(time.RFC3339Nano))
		if !ok || !again.Equal(read) || again.IsZero() {
			t.Fatalf("%q is %v, and then %v", text, read, again)
		}
	})
}
