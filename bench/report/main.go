// Report measures everything that the module bench can measure, and prints it
// as the Markdown table that README shows, with the required figures.
//
//	go run ./report [-short] [-rounds n] [-raw file]
//
// Times are compared with those of the same round only, and rounds are short and
// many, because other work on the machine comes and goes; the table shows their
// median. It needs the go command, and to be run inside the module.
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
	"strings"
	"time"

	"github.com/stschain-go/stschain/bench/size"
)

func main() {
	log.SetFlags(log.Ltime)
	short := flag.Bool("short", false, "fewer and shorter rounds: under 3 minutes")
	rounds := flag.Int("rounds", 0, "how many; 0: 30, or 12 if short")
	raw := flag.String("raw", "", "a `file` for the lines of all benchmarks, for benchstat")
	flag.Parse()
	p := plan{rounds: 30, time: 200 * time.Millisecond, paced: 3, raw: io.Discard}
	if *short {
		p = plan{rounds: 12, time: 100 * time.Millisecond, paced: 1, raw: io.Discard}
	}
	if *rounds > 0 {
		p.rounds = *rounds
	}
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
	fmt.Printf("%s\n\n%s", header(ctx, m.cpu), table(m.rows()))
}

// plan is how much is measured.
type plan struct {
	rounds int
	time   time.Duration // for each benchmark in a round
	paced  int           // trials of paced callers
	raw    io.Writer
}

func (p plan) measure(ctx context.Context) (*measured, error) {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bench.test")
	log.Print("building")
	if _, err := output(ctx, "go", "test", "-c", "-o", binary, "github.com/stschain-go/stschain/bench"); err != nil {
		return nil, err
	}
	m := new(measured)
	bench := func(pattern, cpu, benchtime string) (round, error) {
		out, err := output(ctx, binary, "-test.run=^$", "-test.benchmem",
			"-test.bench="+pattern, "-test.cpu="+cpu, "-test.benchtime="+benchtime)
		p.raw.Write(out)
		if err != nil {
			return nil, err
		}
		r, cpuModel := parse(bytes.NewReader(out))
		m.cpu = cpuModel
		return r, nil
	}
	for i := range p.rounds {
		log.Printf("round %d of %d", i+1, p.rounds)
		together := make(round)
		for _, run := range []struct{ pattern, cpu string }{
			{"^BenchmarkCacheHit$", "1"},
			{"^BenchmarkCacheHitParallel$", "1,2"},
			{"^Benchmark(SignAssumeRole|PresignGetCallerIdentity|AssumeRole|Transport|ColdStart)$", "2"},
		} {
			r, err := bench(run.pattern, run.cpu, p.time.String())
			if err != nil {
				return nil, err
			}
			together.add(r)
		}
		m.rounds = append(m.rounds, together)
	}
	for i := range p.paced {
		log.Printf("paced callers %d of %d: half a minute", i+1, p.paced)
		r, err := bench("^BenchmarkPacedCallers$", "2", "1x")
		if err != nil {
			return nil, err
		}
		m.paced = append(m.paced, r)
	}
	log.Print("1 GiB")
	if m.upload, err = bench("^BenchmarkUploadGiB$", "2", "1x"); err != nil {
		return nil, err
	}
	log.Print("sizes")
	m.sizes = make(map[string]size.Program)
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

// header is the origin of the figures.
func header(ctx context.Context, cpu string) string {
	line := fmt.Sprintf("%s, %s/%s, %s, %d cores", runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu, runtime.NumCPU())
	versions, err := output(ctx, "go", "list", "-m", "-f={{.Path}} {{.Version}}",
		"github.com/aws/aws-sdk-go-v2", "github.com/minio/minio-go/v7")
	if err != nil {
		return line
	}
	return line + "; " + strings.ReplaceAll(strings.TrimSpace(string(versions)), "\n", ", ")
}
