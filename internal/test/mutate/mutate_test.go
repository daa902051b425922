package main

import (
	"testing"
)

func TestCount(t *testing.T) {
	t.Chdir("../../..")
	for _, g := range targets {
		_, _, m, err := load(g.folder, nil)
		t.Log(g.folder, len(m), err)
	}
}
