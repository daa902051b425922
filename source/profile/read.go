package profile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// snapshot is what the files said when they were read.
type snapshot struct {
	files               *Files
	config, credentials version
}

// version tells one state of a file from another.
type version struct {
	location
	info    fs.FileInfo // nil: there is none, or it is refused
	refused bool
	secure  bool // it was old enough when it was read that a later change shows in its date
}

const (
	dateGrain   = 2 * time.Second       // what file systems round dates to, at worst
	settled     = time.Second           // so long after a change somebody may still be writing
	settling    = 50 * time.Millisecond // between two looks at a file that is being written
	settleTries = 4
)

// Files reads both files, unless what was read last still holds. A default file that does not exist or
// cannot be opened (permission denied, a directory) counts as empty. It is an error if a file fails in
// another way, or if AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE names one that cannot be opened. What is wrong with lines of a file is an error of their
// section, see [Section.Err].
func (p *Provider) Files(ctx context.Context) (*Files, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	config, credentials, err := p.locations()
	if err != nil {
		return nil, err
	}
	if s := p.read; s.files != nil && p.unchanged(s.config, config) && p.unchanged(s.credentials, credentials) {
		return s.files, nil
	}
	files := &Files{
		Config: config.path, Credentials: credentials.path,
		sections: map[string]*Section{}, stray: map[string]Position{}, indents: map[string]indent{},
	}
	v1, err := p.load(ctx, files, configFile, config)
	if err != nil {
		return nil, err
	}
	v2, err := p.load(ctx, files, credentialsFile, credentials)
	if err != nil {
		return nil, err
	}
	p.read = snapshot{files, v1, v2}
	return files, nil
}

// unchanged reports whether a file surely is as it was.
func (p *Provider) unchanged(v version, at location) bool {
	if v.location != at {
		return false
	}
	if at.path == "" || at.path == os.DevNull {
		return true
	}
	info, err := p.stat(at.path)
	if missing(err) || refused(err) {
		return v.info == nil && v.refused == refused(err)
	}
	return err == nil && v.info != nil && v.secure && sameFile(v.info, info)
}

// sameFile compares what a change of a file changes.
func sameFile(a, b fs.FileInfo) bool {
	if os.SameFile(a, a) && !os.SameFile(a, b) { // the system's files have numbers, others have none
		return false
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

func (p *Provider) stat(path string) (fs.FileInfo, error) {
	if p.Open == nil {
		return os.Stat(path)
	}
	f, err := p.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// load reads a file into files. One that makes no sense and was changed just now
// is looked at again, since somebody may be writing it.
func (p *Provider) load(ctx context.Context, files *Files, d dialect, at location) (version, error) {
	if at.path == "" || at.path == os.DevNull {
		return version{location: at}, nil
	}
	for try := 1; ; try++ {
		text, v, err := p.readFile(at)
		switch {
		case !at.named && missing(err):
			files.missing = append(files.missing, at)
			return version{location: at}, nil
		case !at.named && refused(err):
			files.refused = append(files.refused, refusal{at, reason(err)})
			return version{location: at, refused: true}, nil
		case missing(err):
			return version{}, at.errorf("it does not exist: create it, or unset %s", at.variable)
		case refused(err):
			return version{}, at.errorf("it cannot be opened: %v: give this program access, or name another file by %s", reason(err), at.variable)
		case err != nil:
			return version{}, at.errorf("%v", reason(err))
		}
		s, err := scan(d, at.path, text)
		half := err != nil || text == "" || len(s.problems) > 0
		if age := p.now().Sub(v.info.ModTime()); half && age >= 0 && age < settled && try < settleTries {
			if err := wait(ctx, settling); err != nil {
				return version{}, err
			}
			continue
		}
		if err != nil {
			return version{}, err
		}
		files.add(s)
		return v, nil
	}
}

// readFile reads a file, once more if it was changed meanwhile.
func (p *Provider) readFile(at location) (text string, v version, err error) {
	for range settleTries {
		var before, after fs.FileInfo
		if text, before, after, err = p.readOnce(at.path); err != nil {
			break
		}
		v = version{location: at, info: after, secure: p.now().Sub(after.ModTime()) > dateGrain}
		if before.Size() == after.Size() && before.ModTime().Equal(after.ModTime()) {
			return text, v, nil
		}
	}
	if err == nil {
		err = errChanges
	}
	return "", version{}, err
}

func (p *Provider) readOnce(path string) (text string, before, after fs.FileInfo, err error) {
	f, err := p.open(path)
	if err != nil {
		return "", nil, nil, err
	}
	defer f.Close()
	if before, err = f.Stat(); err != nil {
		return "", nil, nil, err
	}
	if err := readable(before); err != nil {
		return "", nil, nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", nil, nil, err
	}
	if len(content) > maxFile {
		return "", nil, nil, errTooLarge
	}
	after, err = f.Stat()
	return string(content), before, after, err
}

var (
	errChanges   = errors.New("it changes while it is read, again and again")
	errTooLarge  = errors.New("it is larger than 4 MiB, which no such file needs to be")
	errDirectory = errors.New("it is a directory")
	errIrregular = errors.New("it is no regular file, which could be read again and again")
)

func readable(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errDirectory
	case !info.Mode().IsRegular():
		return errIrregular
	case info.Size() > maxFile:
		return errTooLarge
	}
	return nil
}

// open does not open what it would have to wait for, such as a pipe.
func (p *Provider) open(path string) (fs.File, error) {
	if p.Open != nil {
		return p.Open(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := readable(info); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// missing: there is no such file, nor can there be one below what is a file itself.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// refused: this program may not open the file, or it is a directory, as docker makes one where it is to mount
// a file that does not exist. Neither is a reason to stop a program that does not need the file. Any
// other failure is, such as too many open files (EMFILE): it says nothing about the file, and would
// switch the identity.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR) || errors.Is(err, errDirectory)
}

// reason is an error without the path, which is told once.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func (l location) errorf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf("profile: %s: %s", l, fmt.Sprintf(format, args...)))
}

func (p *Provider) now() time.Time {
	if p.Clock == nil {
		return time.Now()
	}
	return p.Clock.Now()
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("profile: %w", wire.Cause(ctx, ctx.Err()))
	}
}
