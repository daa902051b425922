// Package size builds the programs in the folders below it and measures how large
// they are and which modules they link. All do the same by different means:
// assume a role with keys from the environment, or with what the SDKs' default
// chain finds, and print when the credentials end. All but plain, which is the floor: it posts a form and decodes XML with
// the standard library, and signs nothing.
package size

import (
	"context"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs are the folders.
var Programs = []string{"plain", "stschain", "stschaindefault", "valkeystore", "minio", "awssts", "awsconfig"}

// Program is what became of one.
type Program struct {
	Name    string
	Bytes   int64    // of the stripped file, linux/amd64
	Content int64    // of Bytes, code and data: the linker pads segments, so that Bytes grows in steps of up to 64 kB
	Modules []string // what it links besides the standard library and stschain
}

const (
	ours = "github.com/stschain-go/stschain"
	here = ours + "/bench/size/"
)

// Compile builds the program of a name for this system. It needs the go command, and to run inside this module.
func Compile(ctx context.Context, name, file string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, here+name)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("size: building %s: %w: %s", name, err, out)
	}
	return nil
}

// Build builds the program of a name as Compile does, for linux/amd64 and in a temporary folder.
func Build(ctx context.Context, name string) (Program, error) {
	dir, err := os.MkdirTemp("", "size")
	if err != nil {
		return Program{}, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, name)
	if err := Compile(ctx, name, file, "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1"); err != nil {
		return Program{}, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return Program{}, err
	}
	built, err := buildinfo.ReadFile(file)
	if err != nil {
		return Program{}, fmt.Errorf("size: what %s links: %w", name, err)
	}
	content, err := contentOf(file)
	if err != nil {
		return Program{}, fmt.Errorf("size: sections of %s: %w", name, err)
	}
	p := Program{Name: name, Bytes: info.Size(), Content: content}
	for _, m := range built.Deps {
		if m.Path != ours && !strings.HasPrefix(m.Path, ours+"/") {
			p.Modules = append(p.Modules, m.Path)
		}
	}
	return p, nil
}

// contentOf returns the bytes of the sections that are loaded from a file.
func contentOf(file string) (sum int64, err error) {
	f, err := elf.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS {
			sum += int64(s.Size)
		}
	}
	return sum, nil
}
