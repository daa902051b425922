package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// browser returns the command that opens a page in a browser of the user on this machine, without the URL. nil: there is none.
func (c *call) browser() []string {
	command := browserCommand(runtime.GOOS, func(name string) string {
		value, ok := c.variable(name)
		if !ok {
			return ""
		}
		return strings.TrimSpace(value)
	})
	if len(command) == 0 {
		return nil
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return nil
	}
	return command
}

// browserCommand returns the command for a system and its variables. In a session of SSH the browser is on another
// machine, unless BROWSER says otherwise.
func browserCommand(goos string, variable func(name string) string) []string {
	first, _, _ := strings.Cut(variable("BROWSER"), ":")
	if goos == "windows" { // where a colon is part of a path
		first = variable("BROWSER")
	}
	switch {
	case first != "" && goos == "windows":
		return []string{first}
	case first != "":
		return strings.Fields(first)
	case variable("SSH_CONNECTION") != "":
		return nil
	case goos == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	case goos == "darwin":
		return []string{"open"}
	case variable("DISPLAY") != "" || variable("WAYLAND_DISPLAY") != "":
		return []string{"xdg-open"}
	}
	return nil
}

// open opens a page. It does not wait for the browser.
func (c *call) open(browser []string, page string) {
	args, placed := []string{}, false
	for _, arg := range browser[1:] {
		placed = placed || strings.Contains(arg, "%s")
		args = append(args, strings.ReplaceAll(arg, "%s", page))
	}
	if !placed {
		args = append(args, page)
	}
	cmd := exec.Command(browser[0], args...)
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(c.stderr, "The browser cannot be opened: %v\n", err)
		return
	}
	go func() {
		if err := cmd.Wait(); err != nil {
			fmt.Fprintf(c.stderr, "%s failed, %v: open the page yourself\n", printable(browser[0]), err)
		}
	}()
}
