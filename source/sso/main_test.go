package sso_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(process); endpoint != "" {
		if err := retrieveInProcess(endpoint); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leak.Main(m)
}
