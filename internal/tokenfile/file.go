package tokenfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// Token is what a provider reads from a file.
type Token interface {
	wire.Token
	Content() Content
}

// Content is the content of a file, or its new content.
type Content struct {
	Document
	onDisk Document
}

// With returns a copy with d as the document.
func (c Content) With(d Document) Content { return Content{d, c.onDisk} }

// File is a file with a token that several processes use and refresh.
type File[T Token] struct {
	Path   string
	Open   func(path string) (fs.File, error) // if set, it opens the file, which is neither locked nor written
	Advice string                             // how to sign in, for errors

	KeepMode bool // the file keeps its mode; false: it is written with 0600

	Advisory time.Duration // how long before it expires the token is refreshed
	Patience time.Duration // limits a refresh, the wait for other processes included
	Now      func() time.Time

	// Parse reads the token. Its errors are permanent.
	Parse func(Content) (T, error)

	// Prepare returns the request that refreshes a token, or why it cannot be refreshed.
	Prepare func(T) (redeem func(context.Context) (T, error), err error)
}

// rounds is the maximum number of requests while other programs change the file.
const rounds = 3

// Token returns the token, refreshed if it is due. A refreshed token is written
// to the file. If the file cannot be written, the token stays in cache as long
// as the file does not change.
func (f *File[T]) Token(ctx context.Context, cache *wire.TokenCache[T]) (T, error) {
	return cache.Get(ctx, f.source())
}

func (f *File[T]) source() *wire.TokenSource[T] {
	return &wire.TokenSource[T]{Advisory: f.Advisory, Now: f.Now, Load: f.load, Refresh: func(ctx context.Context, old T) (T, error) {
		t, err := f.refresh(ctx, old)
		if err != nil {
			expires := time.Unix(0, old.Entry().Expires).UTC()
			err = fmt.Errorf("the access token, valid until %s, cannot be refreshed: %w", expires.Format(time.RFC3339), err)
		}
		return t, err
	}}
}

// load reads the file. The cached token is newer than the one it was made from.
func (f *File[T]) load(ctx context.Context, cached T) (T, error) {
	onDisk, err := Read(ctx, f.Path, f.Open)
	switch was := cached.Content(); {
	case err == nil && !was.IsZero() && was.onDisk.Equal(onDisk):
		return cached, nil
	case err == nil:
		if cached, err = f.Parse(Content{onDisk, onDisk}); err == nil {
			return cached, nil
		}
		err = stschain.Permanent(err)
	case errors.Is(err, fs.ErrNotExist):
		return cached, stschain.Permanent(fmt.Errorf("not signed in: %s does not exist; %s", f.Path, f.Advice))
	case errors.Is(err, fs.ErrPermission):
		return cached, stschain.Permanent(fmt.Errorf("cannot read %s: %w: give this program access", f.Path, err))
	}
	if !errors.Is(err, stschain.ErrPermanent) { // it is not about the content of the file
		return cached, fmt.Errorf("cannot read %s: %w", f.Path, err)
	}
	return cached, stschain.Permanent(fmt.Errorf("cannot use %s: %v; %s", f.Path, err, f.Advice))
}

// refresh returns a token that replaces old, because this or another process refreshed it.
func (f *File[T]) refresh(ctx context.Context, old T) (T, error) {
	if _, err := f.Prepare(old); err != nil {
		return old, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.Patience, fmt.Errorf("the refresh timed out after %v", f.Patience))
	defer cancel()
	var lock *Locked // nil: the file cannot be locked, and is not written either
	if f.Open == nil {
		var err error
		if lock, err = Lock(ctx, f.Path); err == nil {
			defer lock.Release()
			lock.KeepMode = f.KeepMode
		} else if ctx.Err() != nil {
			return old, err
		}
	}
	for round := 1; ; round++ {
		t, err := f.load(ctx, old)
		if err != nil || t.Entry() != old.Entry() && f.source().Fresh(t) {
			return t, err
		}
		redeem, err := f.Prepare(t)
		if err != nil {
			return t, err
		}
		renewed, err := redeem(ctx)
		switch changed := f.changed(ctx, t); {
		case err == nil && !changed && lock != nil:
			_ = lock.Write(renewed.Content().Document) // if that fails, it stays in the TokenCache
			return renewed, nil
		case err == nil: // the token that another program has written is newer
			return renewed, nil
		case changed && round < rounds: // it may have redeemed the same refresh token first
		case lock == nil && errors.Is(err, stschain.ErrPermanent):
			return t, fmt.Errorf("%w; or another program redeemed the refresh token and could not save its replacement in %s, which is not writable", err, f.Path)
		default:
			return t, err
		}
	}
}

// changed reports whether the file was removed or changed since t was read from it: a program that uses
// no lock refreshed the token, or the user signed in again, or out.
func (f *File[T]) changed(ctx context.Context, t T) bool {
	now, err := Read(ctx, f.Path, f.Open)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !now.Equal(t.Content().onDisk)
}
