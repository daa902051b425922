package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/stschain-go/stschain"
)

// variable is an environment variable to set, or to unset if the value is empty.
type variable struct {
	name  string
	value stschain.Secret
}

// shells are the supported shells.
var shells = []string{"sh", "bash", "zsh", "fish", "powershell"}

func defaultShell(goos string) string {
	if goos == "windows" {
		return "powershell"
	}
	return "sh"
}

func checkShell(shell string) error {
	if !slices.Contains(shells, shell) {
		return usagef("-shell %q is not one of %s", shell, strings.Join(shells, ", "))
	}
	return nil
}

// printVariables prints commands for the shell, or a JSON object of the variables that have a value.
func (c *call) printVariables(variables []variable) error {
	object := map[string]string{}
	var lines strings.Builder
	for _, v := range variables {
		value := v.value.Reveal()
		if strings.ContainsFunc(value, unicode.IsControl) {
			return fmt.Errorf("the value of %s contains control characters, such as line breaks", v.name)
		}
		if value != "" {
			object[v.name] = value
		}
		lines.WriteString(assignment(c.shell, v.name, value) + "\n")
	}
	if c.json {
		return printJSON(c.stdout, object)
	}
	_, err := fmt.Fprint(c.stdout, lines.String())
	return err
}

// assignment returns the command that exports a variable in a shell, or unsets it if value is "".
func assignment(shell, name, value string) string {
	switch {
	case shell == "powershell" && value == "":
		return `Remove-Item -ErrorAction SilentlyContinue Env:\` + name
	case shell == "powershell":
		return "$env:" + name + " = " + quotePowerShell(value)
	case shell == "fish" && value == "":
		return "set -e " + name + "; or true" // set -e fails if it is not set
	case shell == "fish":
		return "set -gx " + name + " " + quoteFish(value)
	case value == "":
		return "unset " + name
	}
	return "export " + name + "=" + quoteSh(value)
}

// quoteSh quotes for POSIX shells, where only ' ends a quoted string.
func quoteSh(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quoteFish quotes for fish, where \\ and \' are the escapes of a quoted string.
func quoteFish(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// quotePowerShell quotes for PowerShell, where typographic quotes end a string too.
func quotePowerShell(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("'‘’‚‛", r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	return "'" + b.String() + "'"
}
