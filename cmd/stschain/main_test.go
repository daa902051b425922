package main

import (
	"net/http"
	"os"
	"os/signal"
	"syscall"
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
		syscall.Exit(program()) // os.Exit would print a warning if the tests measure coverage
	}
	// Signals that are ignored, as in a background job or under nohup, would be ignored by the processes of the tests too.
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	var err error
	if homes, err = os.MkdirTemp("", "stschain-homes-"); err != nil {
		panic(err)
	}
	code := leak.Check(m.Run())
	os.RemoveAll(homes)
	os.Exit(code)
}

// onThisMachine follows no redirect to another machine.
func onThisMachine(r *http.Request, _ []*http.Request) error {
	if r.URL.Hostname() != "127.0.0.1" {
		return http.ErrUseLastResponse
	}
	return nil
}
