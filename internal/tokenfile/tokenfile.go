// Package tokenfile reads, refreshes and rewrites the JSON files in which `aws sso login` and `aws
// login` save tokens. Other programs use them at the same time, and save members in them that this
// package does not know: a rewrite is atomic, keeps every such member, and is made only by the process
// that holds the lock of the file.
//
// Errors never show the content of a file. Those of [Read] and [Parse] do not
// name the file either. They are stschain.ErrPermanent if they are about its
// content.
package tokenfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// maxSize bounds a file, in bytes.
const maxSize = 1 << 20

// Document is a JSON object. It is immutable: the With methods return copies. The zero
// Document has no members.
type Document struct {
	members map[string]stschain.Secret // the values, in JSON
}

// The AWS CLI rewrites such files in place, so an invalid document may be half of a valid one.
const (
	settling    = 50 * time.Millisecond
	settleReads = 4
)

// Read reads a file. It reads an invalid one a few times within a fifth of a
// second, since another program may be writing it. nil opens the file as
// os.Open does. Only regular files are read.
func Read(ctx context.Context, path string, open func(path string) (fs.File, error)) (Document, error) {
	for n := 1; ; n++ {
		content, _, err := system.ReadFile(open, path, maxSize)
		if err != nil {
			if _, ok := errors.AsType[*system.TooLargeError](err); ok {
				err = stschain.Permanent(err)
			}
			return Document{}, err
		}
		d, err := Parse(content)
		if err == nil || n == settleReads {
			return d, err
		}
		if err := system.Sleep(ctx, settling); err != nil {
			return Document{}, err
		}
	}
}

// Parse reads one JSON object. If a member occurs twice, the last one is used, as by the programs that write such files.
func Parse(content []byte) (Document, error) {
	var members map[string]json.RawMessage
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	switch {
	case len(bytes.TrimSpace(content)) == 0:
		return Document{}, stschain.Permanent(errors.New("empty"))
	case !utf8.Valid(content):
		return Document{}, stschain.Permanent(errors.New("not valid UTF-8"))
	case json.Unmarshal(content, &members) != nil, members == nil:
		return Document{}, stschain.Permanent(errors.New("not a JSON object"))
	}
	d := Document{map[string]stschain.Secret{}}
	for name, value := range members {
		d.members[name] = stschain.NewSecret(string(value))
	}
	return d, nil
}

// IsZero reports whether there are no members.
func (d Document) IsZero() bool { return len(d.members) == 0 }

// Equal reports whether both have the same members with the same text.
func (d Document) Equal(other Document) bool { return maps.Equal(d.members, other.members) }

// Text returns a member that is a string, zero if it is missing or null.
func (d Document) Text(name string) (stschain.Secret, error) {
	var text string // null leaves it empty
	if value, ok := d.members[name]; ok && json.Unmarshal([]byte(value.Reveal()), &text) != nil {
		return stschain.Secret{}, stschain.Permanent(fmt.Errorf("%s is not a string", name))
	}
	return stschain.NewSecret(text), nil
}

// Required returns members that are strings and not empty.
func (d Document) Required(names ...string) ([]stschain.Secret, error) {
	texts := make([]stschain.Secret, len(names))
	for i, name := range names {
		text, err := d.Text(name)
		if err == nil && text.IsZero() {
			err = fmt.Errorf("it has no %s", name)
		}
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}

// Time returns a member that is a time, in any format that [wire.ParseTime] reads. It is zero if it is missing or null.
func (d Document) Time(name string) (time.Time, error) {
	text, err := d.Text(name)
	if err != nil || text.IsZero() {
		return time.Time{}, err
	}
	t, ok := wire.ParseTime(text.Reveal())
	if !ok {
		return time.Time{}, stschain.Permanent(fmt.Errorf("%s is not a valid time, such as 2026-11-21T17:56:58Z", name))
	}
	return t, nil
}

// Object returns a member that is an object, zero if it is missing or null.
func (d Document) Object(name string) (Document, error) {
	value := d.members[name].Reveal()
	if value == "" || value == "null" {
		return Document{}, nil
	}
	object, err := Parse([]byte(value))
	if err != nil {
		return Document{}, stschain.Permanent(fmt.Errorf("%s is not an object", name))
	}
	return object, nil
}

// JSON returns a member as it was written, zero if it is missing.
func (d Document) JSON(name string) stschain.Secret { return d.members[name] }

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
	text, _ := json.Marshal(members) // all members are valid JSON
	return text
}
