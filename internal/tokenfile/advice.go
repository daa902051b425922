package tokenfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/keyjson"
)

// Run is the advice to run a command, with an option if that has a value: "run aws login
// --profile dev". A value that a shell might take for something else is quoted.
func Run(command, option, value string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@"
	switch value = keyjson.OneLine(value, 128); {
	case value == "":
		return "run " + command
	case strings.Trim(value, plain) != "":
		return fmt.Sprintf("run %s %s %q", command, option, value)
	}
	return "run " + command + " " + option + " " + value
}

// UsedUp adds to a refusal what else may be behind it where there was no lock, so that nobody
// could write the file.
func UsedUp(lock *Locked, path string, refusal error) error {
	if lock != nil || !errors.Is(refusal, stschain.ErrPermanent) {
		return refusal
	}
	return fmt.Errorf("%w; or a program used the refresh token up and could not replace it in %s, as this one cannot", refusal, path)
}
