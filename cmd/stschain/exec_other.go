//go:build !unix

package main

import "os"

// forwarded returns no signals: a console sends Ctrl-C to all its processes.
func forwarded(bool) []os.Signal { return nil }

func hasTerminal() bool { return true }

func survived() []os.Signal { return nil }

func exitOf(p *os.ProcessState) error { return exitError(p.ExitCode()) }

func interruptSelf() {}
