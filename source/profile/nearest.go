package profile

import (
	"fmt"
	"strings"
)

// didYouMean returns the end of an error about a profile that does not exist: the name that was probably meant, or "".
func didYouMean(name string, names []string) string {
	short := strings.ToLower(name)
	for _, existing := range names {
		long := strings.ToLower(existing)
		if strings.HasPrefix(long, short) || strings.HasPrefix(short, long) || oneSlip(short, long) {
			return fmt.Sprintf("; did you mean %q?", existing)
		}
	}
	return ""
}

// oneSlip reports whether a and b differ by one letter that is missing, wrong, or swapped with the next.
func oneSlip(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}
