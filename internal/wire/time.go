package wire

import (
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
		t = parseOther(strings.ToUpper(strings.TrimSpace(text)))
	}
	_, offset := t.Zone()
	const day = 24 * 60 * 60
	return t, !t.IsZero() && -day < offset && offset < day // RFC 3339 cannot express the others
}

// parseOther returns the zero time if there is none.
func parseOther(text string) time.Time {
	if len(text) >= len("100000000") && strings.Trim(text, "0123456789.") == "" {
		if since, err := time.ParseDuration(text + "s"); err == nil {
			return time.Unix(0, 0).UTC().Add(since)
		}
		return time.Time{}
	}
	for _, utc := range []string{"UTC", "GMT"} {
		if rest, ok := strings.CutSuffix(text, utc); ok {
			text = rest + "Z"
		}
	}
	at := strings.LastIndexAny(text, "Z+-")
	if at < 0 {
		return time.Time{}
	}
	text, zone := strings.TrimRight(text[:at], " "), text[at:]
	switch {
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

// layouts of a time without its zone. time.Parse also takes fractions of seconds.
var layouts = []string{
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T150405",
	"20060102T150405", "20060102 150405", "20060102150405", "20060102T15:04:05", "20060102T1504",
	"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05",
}
