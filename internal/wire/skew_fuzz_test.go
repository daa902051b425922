package wire_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stschain-go/stschain/internal/wire"
)

// FuzzMeasure: the true skew is within the bounds, and a date set back by it is not after the
// true one.
func FuzzMeasure(f *testing.F) {
	f.Add(int64(0), int64(time.Second), int64(time.Millisecond))
	f.Add(int64(-3*time.Hour), int64(time.Minute), int64(0))
	f.Add(int64(61*time.Second), int64(15*time.Minute), int64(15*time.Minute))
	sent := time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)
	f.Fuzz(func(t *testing.T, ahead, took, at int64) {
		const century = int64(100 * 365 * 24 * time.Hour)
		ahead, took = ahead%century, max(took%int64(20*time.Minute), 0)
		at = min(max(at, 0), took)
		dated := sent.Add(time.Duration(at)).Add(time.Duration(ahead))
		s, ok := wire.MeasureSkew(http.Header{"Date": {dated.Format(http.TimeFormat)}}, sent, sent.Add(time.Duration(took)))
		if ok != (took <= int64(15*time.Minute)) {
			t.Fatalf("a response after %v: %v", time.Duration(took), ok)
		}
		if !ok {
			return
		}
		if s.Least > time.Duration(ahead) || s.Most < time.Duration(ahead) || s.Most-s.Least > time.Duration(took)+time.Second {
			t.Fatalf("%v is measured as %v to %v", time.Duration(ahead), s.Least, s.Most)
		}
		if by := s.Expiry(); by != 0 && by < time.Duration(ahead) {
			t.Fatalf("dates of a clock that is %v ahead are set back by %v", time.Duration(ahead), by)
		}
	})
}

// FuzzDate: any Date header is understood or says nothing, and no arithmetic overflows.
func FuzzDate(f *testing.F) {
	for _, date := range []string{"Sat, 21 Nov 2026 12:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Saturday, 21-Nov-26 12:00:00 GMT", "Sat Nov 21 12:00:00 2026", "now", ""} {
		f.Add(date)
	}
	sent := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, date string) {
		s, ok := wire.MeasureSkew(http.Header{"Date": {date}}, sent, sent.Add(time.Second))
		if _, err := http.ParseTime(date); ok != (err == nil) {
			t.Fatalf("%q: %v", date, ok)
		}
		if s.Least > s.Most || !ok && s != (wire.Skew{}) {
			t.Fatalf("%q: %+v", date, s)
		}
		if by := s.Expiry(); by > 0 != (s.Least > time.Minute) || by < 0 != (s.Most < -time.Minute) {
			t.Fatalf("%q: %+v sets dates back by %v", date, s, by)
		}
	})
}
