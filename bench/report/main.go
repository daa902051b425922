// Report measures everything that the module bench can measure, and prints it
// as the Markdown table of the module's README, with the figures to reach.
//
//	go run ./report [-times n] [-paced n] [-raw file]
//
// It needs the go command, and to be run inside the module. It exits with an error if
// something could not be measured, but not if a figure is missed.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"github.com/stschain-go/stschain/bench/size"
)

func main() {
	log.SetFlags(log.Ltime)
	var p plan
	flag.IntVar(&p.times, "times", 1, "rounds, as a multiple of those of the guard; 0: one")
	flag.IntVar(&p.paced, "paced", 1, "trials of paced callers, of half a minute each")
	flag.IntVar(&p.poolKeys, "pool.keys", 100_000, "roles in a pool")
	raw := flag.String("raw", "", "`file` for what the tests print")
	flag.Parse()
	p.raw = io.Discard
	if *raw != "" {
		f, err := os.Create(*raw)
		if err != nil {
			log.Fatal(err)
		}
		defer f.Close()
		p.raw = f
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	m, err := p.measure(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n\n%s", header(ctx, m), table(m.rows()))
}

// plan is how much is measured.
type plan struct {
	times, paced, poolKeys int
	raw                    io.Writer
}

func (p plan) measure(ctx context.Context) (*measured, error) {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary, figures := filepath.Join(dir, "bench.test"), filepath.Join(dir, "figures")
	log.Print("building")
	if _, err := output(ctx, "go", "test", "-c", "-o", binary, "github.com/stschain-go/stschain/bench"); err != nil {
		return nil, err
	}
	run := func(args ...string) ([]byte, error) {
		out, err := output(ctx, binary, args...)
		p.raw.Write(out)
		return out, err
	}
	m := &measured{poolKeys: p.poolKeys, sizes: make(map[string]size.Program)}
	log.Print("slices: a minute, for -times 1 on an idle machine")
	if _, err := run("-test.v", "-test.run=^Test(Figures|UploadHashesOnce|SignGiB)$", "-figures="+figures,
		"-figures.times="+strconv.Itoa(p.times), "-pool.keys="+strconv.Itoa(p.poolKeys)); err != nil {
		return nil, err
	}
	if m.figures, err = readFigures(figures); err != nil {
		return nil, err
	}
	benchmark := func(pattern string) (round, error) {
		out, err := run("-test.run=^$", "-test.bench="+pattern, "-test.cpu=2", "-test.benchtime=1x")
		return parse(bytes.NewReader(out)), err
	}
	for i := range p.paced {
		log.Printf("paced callers %d of %d: half a minute", i+1, p.paced)
		r, err := benchmark("^BenchmarkPacedCallers$")
		if err != nil {
			return nil, err
		}
		m.paced = append(m.paced, r)
	}
	log.Print("1 GiB")
	if m.upload, err = benchmark("^BenchmarkUploadGiB$"); err != nil {
		return nil, err
	}
	log.Print("sizes")
	for _, name := range size.Programs {
		if m.sizes[name], err = size.Build(ctx, name); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// output runs a command and returns what it prints.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out, errors bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("report: %s: %w\n%s%s", filepath.Base(name), err, &out, &errors)
	}
	return out.Bytes(), nil
}

// header is the origin of the figures: Go, the processor, and the versions of the peers.
func header(ctx context.Context, m *measured) string {
	with := "without"
	if cpuid.CPU.Has(cpuid.SHA) || cpuid.CPU.Has(cpuid.SHA2) {
		with = "with"
	}
	line := fmt.Sprintf("%s, %s/%s, %s, %d cores, %s SHA instructions: SHA-256 takes %v a kB",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, cpuid.CPU.BrandName, runtime.NumCPU(),
		with, m.of("SHA-256 of 1 kB")["sha256"].duration())
	versions, err := output(ctx, "go", "list", "-m", "-f={{.Path}} {{.Version}}",
		"github.com/aws/aws-sdk-go-v2", "github.com/minio/minio-go/v7")
	if err != nil {
		return line
	}
	return line + "; " + strings.ReplaceAll(strings.TrimSpace(string(versions)), "\n", ", ")
}
