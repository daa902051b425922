// Check lists the conformance vectors of docs/conformance.md that a folder lacks. It runs in the root of the
// repository:
//
//	go run ./internal/test/conformance/check ../shared/conformance
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/test/conformance/check FOLDER")
		os.Exit(2)
	}
	table, err := os.ReadFile(filepath.Join("docs", "conformance.md"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	if !check(os.Stdout, os.DirFS(os.Args[1]), string(table)) {
		os.Exit(1)
	}
}

// check reports whether folder has the files of each row of a table, and prints the rows that it lacks.
func check(out io.Writer, folder fs.FS, table string) (complete bool) {
	complete = true
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		if len(cells) != 5 {
			continue
		}
		want, err := strconv.Atoi(cells[4])
		if err != nil {
			continue // the header
		}
		if got := count(folder, cells[0]); got < want {
			complete = false
			fmt.Fprintf(out, "missing: %s has %d of %d files; copy https://github.com/%s %s, at %s\n", cells[0], got, want, cells[1], cells[3], cells[2])
		}
	}
	if complete {
		fmt.Fprintln(out, "ok: all vectors are there")
	}
	return complete
}

// count returns the number of files that match a pattern, or are in a folder that does.
func count(folder fs.FS, pattern string) (files int) {
	matches, _ := fs.Glob(folder, pattern)
	for _, match := range matches {
		fs.WalkDir(folder, match, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && !strings.HasPrefix(entry.Name(), "LICENSE") {
				files++
			}
			return nil
		})
	}
	return files
}
