package wire

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseTime parses the time at which credentials or tokens expire, in the formats that botocore
// reads: RFC 3339, ISO 8601 without separators, without seconds or with a space in place of the
// T, RFC 1123, and Unix seconds. The zone is an offset with or without a colon, Z, UTC or GMT; a
// time without a zone is not a point in time, and is refused. So is the zero time, which means
// "never" in Credentials.
func ParseTime(text string) (t time.Time, ok bool) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t = parseOther(strings.ToLower(strings.TrimSpace(text)))
	}
	_, offset := t.Zone()
	const day = 24 * 60 * 60
	return t, !t.IsZero() && -day < offset && offset < day // RFC 3339 cannot express the others
}

// parseOther returns the zero time if there is none.
func parseOther(text string) time.Time {
	if len(text) >= len("100000000") && !strings.ContainsFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		return parseUnix(text)
	}
	for _, utc := range []string{"utc", "gmt"} {
		if rest, ok := strings.CutSuffix(text, utc); ok {
			text = rest + "z"
		}
	}
	at := max(strings.LastIndexByte(text, 'z'), strings.LastIndexByte(text, '+'), strings.LastIndexByte(text, '-'))
	if at < 0 {
		return time.Time{}
	}
	text, zone := strings.TrimSpace(text[:at]), text[at:]
	switch {
	case zone == "z":
		zone = "Z"
	case len(zone) == len("+00:00") && zone[3] == ':':
		zone = zone[:3] + zone[4:]
	case len(zone) == len("+00"):
		zone += "00"
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout+"Z0700", text+zone); err == nil {
			return t
		}
	}
	return time.Time{}
}

// parseUnix parses digits and dots as Unix seconds, of which time.Duration can express those up to the year 2262.
// time.ParseDuration would be another 3 kB of code.
func parseUnix(text string) time.Time {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt("0"+whole, 10, 64)
	nanos, fractionErr := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil || fractionErr != nil || strings.Contains(fraction, ".") || seconds >= math.MaxInt64/int64(time.Second) {
		return time.Time{}
	}
	return time.Unix(seconds, nanos).UTC()
}

// layouts of a time in lower case without its zone. time.Parse also takes fractions of seconds.
var layouts = []string{
	"2006-01-02t15:04:05", "2006-01-02 15:04:05", "2006-01-02t15:04", "2006-01-02 15:04", "2006-01-02t150405",
	"20060102t150405", "20060102 150405", "20060102150405", "20060102t15:04:05", "20060102t1504",
	"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05",
}
