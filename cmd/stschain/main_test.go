package main

import (
	"net/http"
	"os"
	"testing"

	"github.com/stschain-go/stschain/internal/test/leak"
)

// TestMain is the tests, or the program itself in a process that a test starts, or a browser.
func TestMain(m *testing.M) {
	if os.Getenv("STSCHAIN_TEST_BROWSER") != "" {
		resp, err := (&http.Client{CheckRedirect: onThisMachine}).Get(os.Args[1])
		if err != nil || resp.StatusCode >= http.StatusBadRequest {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv("STSCHAIN_TEST_PROGRAM") != "" {
		main()
	}
	leak.Main(m)
}

// onThisMachine follows no redirect to another machine.
func onThisMachine(r *http.Request, _ []*http.Request) error {
	if r.URL.Hostname() != "127.0.0.1" {
		return http.ErrUseLastResponse
	}
	return nil
}
