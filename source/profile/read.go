package profile

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
)

// version is the state of a file when it was read.
type version struct {
	location
	absent error       // why a default file counts as empty: it does not exist, or cannot be opened
	info   fs.FileInfo // nil: it was not read
	secure bool        // when it was read it was old enough that a later change is visible in its date
}

const (
	dateGrain   = 2 * time.Second       // the coarsest resolution of dates in file systems
	settled     = time.Second           // a file that changed more recently may be incomplete
	settling    = 50 * time.Millisecond // between two reads of a file that is being written
	maxAttempts = 4
)

// load reads both files, unless what was read last is still current. A file that cannot be understood and
// changed just now is read again, since another program may be writing it.
func (p *Provider) load(ctx context.Context) (*files, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	config, err := p.locate("AWS_CONFIG_FILE", "config", runtime.GOOS)
	if err != nil {
		return nil, err
	}
	credentials, err := p.locate("AWS_SHARED_CREDENTIALS_FILE", "credentials", runtime.GOOS)
	if err != nil {
		return nil, err
	}
	if f := p.read; f != nil && p.unchanged(f.config, config) && p.unchanged(f.credentials, credentials) {
		return f, nil
	}
	for attempt := 1; ; attempt++ {
		f := newFiles(config, credentials)
		half1, err1 := p.readInto(f, configFile, &f.config)
		half2, err2 := p.readInto(f, credentialsFile, &f.credentials)
		if (half1 || half2) && attempt < maxAttempts {
			if err := system.Sleep(ctx, settling); err != nil {
				return nil, fmt.Errorf("profile: %w", err)
			}
			continue
		}
		if err1 != nil {
			return nil, err1
		}
		if err2 != nil {
			return nil, err2
		}
		p.read = f
		return f, nil
	}
}

// unchanged reports whether a file is certainly as it was.
func (p *Provider) unchanged(v version, at location) bool {
	if v.location != at {
		return false
	}
	if at.nowhere() {
		return true
	}
	info, err := p.stat(at.path)
	if v.absent != nil {
		return missing(err) && missing(v.absent) || refused(err) && refused(v.absent)
	}
	return err == nil && v.secure && sameFile(v.info, info)
}

// sameFile compares the attributes that a change of a file changes.
func sameFile(a, b fs.FileInfo) bool {
	if os.SameFile(a, a) && !os.SameFile(a, b) { // files of the operating system have numbers, others do not
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

// readInto reads a file into files. half reports that it may be incomplete.
func (p *Provider) readInto(f *files, d dialect, v *version) (half bool, err error) {
	if v.nowhere() {
		return false, nil
	}
	content, info, err := system.ReadFile(p.Open, v.path, maxFile)
	switch {
	case !v.named && (missing(err) || refused(err)):
		v.absent = err
		return false, nil
	case missing(err):
		return false, v.errorf("does not exist: create it, or unset %s", v.variable)
	case refused(err):
		return false, v.errorf("cannot be opened: %w: give this program access, or name another file by %s", err, v.variable)
	case err != nil:
		return false, v.errorf("%w", err)
	}
	age := system.Now(p.Clock).Sub(info.ModTime())
	v.info, v.secure = info, age > dateGrain
	before := len(f.problems)
	err = f.scan(d, v.path, string(content))
	half = err != nil || len(content) == 0 || len(f.problems) > before
	return half && age >= 0 && age < settled, err
}

// nowhere reports that there is no file: the home directory is unknown, or the path is the null device.
func (l location) nowhere() bool { return l.path == "" || l.path == os.DevNull }

func (l location) errorf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf("profile: %s: %w", l, fmt.Errorf(format, args...)))
}
