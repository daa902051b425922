package tokenfile

import (
	"fmt"
	"strings"

	"github.com/stschain-go/stschain/internal/redact"
)

// Run is the advice to run a command, with an option if that has a value: "run aws login
// --profile dev". A value with characters that a shell may interpret is quoted.
func Run(command, option, value string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@"
	switch value = redact.OneLine(value, 128); {
	case value == "":
		return "run " + command
	case strings.Trim(value, plain) != "":
		return fmt.Sprintf("run %s %s %q", command, option, value)
	}
	return "run " + command + " " + option + " " + value
}
