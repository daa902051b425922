// Package tokenfile reads, refreshes and rewrites the JSON files in which `aws sso login` and `aws
// login` save tokens. Other programs use them at the same time, and save members in them that this
// package does not know: a rewrite is atomic, keeps every such member, and is made only by the process
// that holds the lock of the file.
//
// Errors never show what a file holds. Those of [Read] and [Parse] do not name the file either. They
// are stschain.ErrPermanent if they are about what is in it.
package tokenfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"time"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// MaxSize bounds a file, in bytes.
const MaxSize = 1 << 20

// Document is a JSON object. It is not changed: the With methods return copies. The zero
// Document has no members.
type Document struct {
	members map[string]stschain.Secret // the values, in JSON
}

// The AWS CLI rewrites such files in place, so what is no document may be half of one.
const (
	settling    = 50 * time.Millisecond
	settleTries = 4
)

// Read reads a file. One that makes no sense is read again a few times, within a fifth of a
// second, since another program may be writing it. nil opens as os.Open does, and regular files only.
func Read(ctx context.Context, path string, open func(path string) (fs.File, error)) (Document, error) {
	for try := 1; ; try++ {
		content, err := read(path, open)
		if err != nil {
			return Document{}, withoutPath(err)
		}
		d, err := Parse(content)
		if err == nil || try == settleTries {
			return d, err
		}
		if err := wait(ctx, settling); err != nil {
			return Document{}, err
		}
	}
}

func read(path string, open func(path string) (fs.File, error)) ([]byte, error) {
	if open == nil {
		open = openRegular
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}

// wait returns early, with an error, if ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// ended is why ctx has ended.
func ended(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != err {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// openRegular does not open pipes and devices, which could make us wait.
func openRegular(path string) (fs.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	return os.Open(path)
}

// withoutPath is an error of a file without the path, which is told once.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// Parse reads one JSON object. Of a member that comes twice the last one counts, as for
// the programs that write such files.
func Parse(content []byte) (Document, error) {
	var members map[string]json.RawMessage
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	switch {
	case len(content) > MaxSize:
		return Document{}, stschain.Permanent(fmt.Errorf("it is larger than %d bytes, which no such file needs to be", MaxSize))
	case len(bytes.TrimSpace(content)) == 0:
		return Document{}, stschain.Permanent(errors.New("it is empty"))
	case !utf8.Valid(content):
		return Document{}, stschain.Permanent(errors.New("it is not in UTF-8"))
	case json.Unmarshal(content, &members) != nil, members == nil:
		return Document{}, stschain.Permanent(errors.New("it is no JSON object"))
	}
	d := Document{map[string]stschain.Secret{}}
	for name, value := range members {
		d.members[name] = stschain.NewSecret(string(value))
	}
	return d, nil
}

// IsZero reports whether there are no members.
func (d Document) IsZero() bool { return len(d.members) == 0 }

// Equal reports whether both have the same members, written alike.
func (d Document) Equal(other Document) bool { return maps.Equal(d.members, other.members) }

// Text returns a member that is a string, zero if there is none or it is null.
func (d Document) Text(name string) (stschain.Secret, error) {
	var text *string
	if err := d.decode(name, &text); err != nil {
		return stschain.Secret{}, stschain.Permanent(fmt.Errorf("its %s is no string", name))
	}
	if text == nil {
		return stschain.Secret{}, nil
	}
	return stschain.NewSecret(*text), nil
}

// Time returns a member that is a time, in any format that [wire.ParseTime] reads. It is zero if there
// is none or it is null.
func (d Document) Time(name string) (time.Time, error) {
	text, err := d.Text(name)
	if err != nil || text.IsZero() {
		return time.Time{}, err
	}
	t, ok := wire.ParseTime(text.Reveal())
	if !ok {
		return time.Time{}, stschain.Permanent(fmt.Errorf("its %s is no time in RFC 3339, such as 2026-11-21T17:56:58Z", name))
	}
	return t, nil
}

// Object returns a member that is an object, zero if there is none or it is null.
func (d Document) Object(name string) (Document, error) {
	value := d.members[name].Reveal()
	if value == "" || value == "null" {
		return Document{}, nil
	}
	object, err := Parse([]byte(value))
	if err != nil {
		return Document{}, stschain.Permanent(fmt.Errorf("its %s is no object", name))
	}
	return object, nil
}

// JSON returns a member as it was written, zero if there is none.
func (d Document) JSON(name string) stschain.Secret { return d.members[name] }

func (d Document) decode(name string, into any) error {
	value, ok := d.members[name]
	if !ok {
		return nil
	}
	return json.Unmarshal([]byte(value.Reveal()), into)
}

// WithText returns a copy that has this string.
func (d Document) WithText(name string, text stschain.Secret) Document {
	value, _ := json.Marshal(text.Reveal()) // a string can always be written
	return d.with(name, value)
}

// WithTime returns a copy that has this time, in UTC and whole seconds.
func (d Document) WithTime(name string, t time.Time) Document {
	return d.WithText(name, stschain.NewSecret(t.UTC().Format(time.RFC3339)))
}

// WithObject returns a copy that has this object.
func (d Document) WithObject(name string, object Document) Document {
	return d.with(name, object.encode())
}

func (d Document) with(name string, value []byte) Document {
	members := maps.Clone(d.members)
	if members == nil {
		members = map[string]stschain.Secret{}
	}
	members[name] = stschain.NewSecret(string(value))
	return Document{members}
}

// encode writes the object in one line, its members sorted.
func (d Document) encode() []byte {
	members := map[string]json.RawMessage{}
	for name, value := range d.members {
		members[name] = json.RawMessage(value.Reveal())
	}
	text, _ := json.Marshal(members) // all of it was read as JSON, or made here
	return text
}
