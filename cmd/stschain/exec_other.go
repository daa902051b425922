//go:build !unix

package main

import "os"

// forwarded returns no signals: a console sends Ctrl-C to all its processes.
func forwarded(bool) []os.Signal { return nil }

func hasTerminal() bool { return true }

func exitCode(p *os.ProcessState) int { return p.ExitCode() }
