package dirstore

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	maxSealed = 64 << 10
	maxOwner  = 1 << 10
	maxFile   = 2*maxSealed + 8*maxOwner // base64 takes 4/3
)

// record is the state of a key. The zero record is that of a key without a generation.
type record struct {
	Generation uint64 `json:"generation"`
	value
	lease
}

type value struct {
	Sealed []byte        `json:"sealed,omitempty"`
	Saved  int64         `json:"saved,omitempty"` // Unix time in ns
	Life   time.Duration `json:"life,omitempty"`  // from then on, in ns
}

type lease struct {
	Owner []byte        `json:"owner,omitempty"` // any bytes; none: the lease is free
	Pause bool          `json:"pause,omitempty"`
	Taken int64         `json:"taken,omitempty"` // Unix time in ns
	TTL   time.Duration `json:"ttl,omitempty"`   // from then on, in ns
	Lock  string        `json:"lock,omitempty"`  // the file that its process has locked; "": none
}

func (v value) left(now time.Time) time.Duration { return left(v.Saved, v.Life, now) }

func (l lease) left(now time.Time) time.Duration { return left(l.Taken, l.TTL, now) }

// left returns what is left of a time that began at Unix time begin, in ns. What begins in the future has ended: the clock
// was set back, so its end is not known.
func left(begin int64, life time.Duration, now time.Time) time.Duration {
	age := now.UnixNano() - begin
	if age < 0 {
		return 0
	}
	return max(life-time.Duration(age), 0)
}

// magic is the begin of a file: its format, and a space before the SHA-256 of the rest.
const magic = "stschain-dirstore-1 "

func (r record) encode() []byte {
	text, _ := json.Marshal(r) // all its types can be written
	sum := sha256.Sum256(text)
	return fmt.Appendf(nil, "%s%x\n%s", magic, sum, text)
}

// parse reads what encode wrote. It ignores members that it does not know.
func parse(content []byte) (record, error) {
	head, text, _ := bytes.Cut(content, []byte("\n"))
	sum := sha256.Sum256(text)
	if string(head) != magic+hex.EncodeToString(sum[:]) {
		return record{}, errors.New("the checksum differs")
	}
	var r record
	switch err := json.Unmarshal(text, &r); {
	case err != nil:
		return record{}, err
	case r.Generation == 0, r.Generation >= 1<<53, r.Saved < 0, r.Life < 0, r.Taken < 0, r.TTL < 0, (len(r.Owner) == 0) != (r.TTL == 0), len(r.Sealed) > maxSealed, r.Lock != "" && !isID(r.Lock):
		return record{}, errors.New("a member is out of range")
	}
	return r, nil
}

// firstGeneration draws a generation for a key without one. It reads the system's random numbers, because those of the
// runtime repeat in processes cloned from one snapshot.
func firstGeneration() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return 1 + binary.BigEndian.Uint64(b[:])%(1<<52-1)
}

// isID reports whether name may be one that newID made.
func isID(name string) bool { return len(name) == 2*idSize && isHex(name) }

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
