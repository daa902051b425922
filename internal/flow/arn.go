// Package flow has what the flows share: MFA codes, long-lived keys, the role and the account of a
// session, and the default session name.
package flow

import (
	"fmt"
	"strings"
)

// CheckSession checks that a session is one of the role that was asked for.
// Servers other than AWS have ARNs of their own, or none; only what contradicts is
// an error.
func CheckSession(roleARN, sessionARN string) error {
	asked, ok1 := parseARN(roleARN)
	given, ok2 := parseARN(sessionARN)
	if !ok1 || !ok2 {
		return nil
	}
	otherAccount := asked.account != "" && given.account != "" && asked.account != given.account
	session, isSession := strings.CutPrefix(given.resource, "assumed-role/")
	path, isRole := strings.CutPrefix(asked.resource, "role/")
	if end := strings.LastIndexByte(session, '/'); end >= 0 {
		session = session[:end]
	}
	otherName := isSession && isRole && !sameRole(path, session)
	if otherAccount || otherName {
		return fmt.Errorf("STS answered with a session of another role, %s: nothing of it is used", sessionARN)
	}
	return nil
}

// sameRole reports whether the role in a session's ARN is the one of that path and name. At AWS the
// session has the name alone, at Ceph also the path.
func sameRole(path, role string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return strings.EqualFold(role, name) || strings.EqualFold(role, path)
}

// AccountID is the account in the first of the ARNs that is one of AWS and has
// one; empty if none has.
func AccountID(arns ...string) string {
	for _, s := range arns {
		a, _ := parseARN(s)
		if len(a.account) == 12 && strings.Trim(a.account, "0123456789") == "" {
			return a.account
		}
	}
	return ""
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
