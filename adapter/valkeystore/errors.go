package valkeystore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/valkey-io/valkey-go"
)

// explain returns the error of an operation: what failed, why, and what to do.
func (s *Store) explain(o operation, key string, err error) error {
	what := fmt.Sprintf("valkeystore: %s %s", o, short(key))
	refused, ok := errors.AsType[*valkey.ValkeyError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: no reply in time: %w", what, err)
	case !ok && valkey.IsParseErr(err), ok && refused.IsNil():
		return fmt.Errorf("%s: unexpected reply: is Client.InitAddress a Valkey or Redis server?", what)
	case !ok:
		return fmt.Errorf("%s: %w", what, err)
	}
	text, hint := s.text(refused), s.hint(refused)
	switch {
	case hint == "" && s.Client.AuthCredentialsFn != nil:
		text = "the server returned an error, which may contain the password of Client.AuthCredentialsFn"
	case s.Client.AuthCredentialsFn != nil:
		text = hint
	case hint != "":
		text += ": " + hint
	}
	return fmt.Errorf("%s: %s", what, text)
}

func short(key string) string { return key[:min(8, len(key))] }

// code returns the code of an error of the server, or "".
func code(err error) string {
	refused, ok := errors.AsType[*valkey.ValkeyError](err)
	if !ok || refused.IsNil() {
		return ""
	}
	text := refused.Error()
	switch inner := scriptError.FindStringSubmatch(text); {
	case strings.Contains(text, "The user executing the script can't"):
		return "NOPERM"
	case inner != nil:
		return inner[1]
	}
	word, _, _ := strings.Cut(text, " ")
	return word
}

// scriptError finds the code of an error of a command in a script, which Redis 6 puts at the end.
var scriptError = regexp.MustCompile(`^Error running script .*@user_script: *\d+: -?([A-Z]+) `)

const maxText = 200 // bytes of a server's text in an error

// text returns what the server replied, without secrets: servers repeat the arguments of commands that they do not know,
// and those of HELLO and AUTH have the password.
func (s *Store) text(refused *valkey.ValkeyError) string {
	text := refused.Error()
	text, _, _ = strings.Cut(text, ", with args")
	for _, secret := range []string{s.Client.Password, s.Client.Sentinel.Password} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	if len(text) > maxText {
		text = text[:maxText] + "..."
	}
	return strings.Trim(fmt.Sprintf("%q", text), `"`)
}

// hint returns what to do about an error of the server, or "".
func (s *Store) hint(refused *valkey.ValkeyError) string {
	switch code(refused) {
	case "NOAUTH":
		return "set Client.Username and Client.Password"
	case "WRONGPASS":
		return "check Client.Username and Client.Password"
	case "NOPERM":
		return fmt.Sprintf("the user needs %s and the keys %s*", commands, s.prefix())
	case "READONLY":
		return "the server is a replica: connect to the primary, or set Client.Sentinel"
	case "OOM":
		return "raise maxmemory of the server, or let it evict keys (maxmemory-policy volatile-lru)"
	case "MOVED":
		return "the server is part of a cluster: remove ForceSingleClient, and allow the user CLUSTER SLOTS and CLUSTER SHARDS"
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY":
		return "the server is not ready; later operations may succeed"
	case "WRONGTYPE":
		return "another program uses these keys: set another Store.Prefix"
	}
	if strings.HasPrefix(refused.Error(), "unknown command") {
		return "Valkey, or Redis 6 or later, with EVAL and EVALSHA enabled is required"
	}
	return ""
}

// commands is what a user of the server needs.
const commands = "+eval +evalsha +get +set +del +incr +strlen +pttl +pexpire +ping"
