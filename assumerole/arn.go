package assumerole

import (
	"fmt"
	"strings"
)

// sameRole checks that a session is one of the role that was asked for. Servers
// other than AWS have ARNs of their own, or none; only what contradicts is an error.
func sameRole(role, session string) error {
	asked, ok1 := parseARN(role)
	given, ok2 := parseARN(session)
	if !ok1 || !ok2 {
		return nil
	}
	otherAccount := asked.account != "" && given.account != "" && asked.account != given.account
	name, isSession := strings.CutPrefix(given.resource, "assumed-role/")
	name, _, _ = strings.Cut(name, "/")
	path, isRole := strings.CutPrefix(asked.resource, "role/")
	// A role's path is not part of its session's ARN.
	otherName := isSession && isRole && !strings.EqualFold(name, path[strings.LastIndexByte(path, '/')+1:])
	if otherAccount || otherName {
		return fmt.Errorf("STS answered with a session of another role, %s: nothing of it is used", session)
	}
	return nil
}

// accountOf is the account in an ARN of AWS; empty if there is none.
func accountOf(s string) string {
	a, _ := parseARN(s)
	if len(a.account) != 12 || strings.Trim(a.account, "0123456789") != "" {
		return ""
	}
	return a.account
}

type arn struct{ account, resource string }

// parseARN reads an ARN of AWS, in any of its partitions:
// arn:partition:service:region:account:resource.
func parseARN(s string) (arn, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] != "aws" && !strings.HasPrefix(parts[1], "aws-") {
		return arn{}, false
	}
	return arn{parts[4], parts[5]}, true
}
