package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Snapshot is a request or a response of an operation, with every member set to a placeholder such as "__Token__" or 1.
type Snapshot struct {
	Name   string // "CreateToken.request"
	Method string // of a request
	Target string // of a request: path and query
	Status int    // of a response
	Header map[string]string
	Body   string
}

// Snapshots returns those of a service in sdk-snapshots.
func Snapshots(t *testing.T, service string) []Snapshot {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(t), "sdk-snapshots", service, "*", "*.snap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no snapshots of %s: %v", service, err)
	}
	var all []Snapshot
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := Snapshot{Name: strings.TrimSuffix(filepath.Base(file), ".snap"), Header: map[string]string{}}
		first, rest, _ := strings.Cut(string(content), "\n")
		if method, target, ok := strings.Cut(first, " "); ok {
			s.Method, s.Target = method, target
		} else if s.Status, err = strconv.Atoi(first); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		head, body, _ := strings.Cut(strings.TrimLeft(rest, "\n"), "\n\n")
		for line := range strings.Lines(head) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				s.Header[name] = value
			}
		}
		s.Body = strings.TrimSpace(body)
		all = append(all, s)
	}
	return all
}

// Members returns the types of the members of a JSON object by name: "string", "number" and so on. It is nil for anything else.
func Members(body string) map[string]string {
	var doc map[string]any
	if json.Unmarshal([]byte(body), &doc) != nil {
		return nil
	}
	types := map[string]string{}
	for name, value := range doc {
		switch value.(type) {
		case string:
			types[name] = "string"
		case float64:
			types[name] = "number"
		case bool:
			types[name] = "bool"
		case []any:
			types[name] = "array"
		default:
			types[name] = "object"
		}
	}
	return types
}
