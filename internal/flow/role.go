package flow

import (
	"fmt"
	"strings"

	"github.com/stschain-go/stschain"
)

// Complete sets the origin and the account of the credentials of a role's
// session. It returns an error if the session is of another role.
func Complete(creds *stschain.Credentials, origin, roleARN, sessionARN string) error {
	if err := CheckSession(roleARN, sessionARN); err != nil {
		return err
	}
	creds.Origin, creds.AccountID = origin, AccountID(sessionARN, roleARN)
	return nil
}

// CheckSession checks that a session is of the requested role. Servers other
// than AWS have other ARNs, or none; only a contradiction is an error.
func CheckSession(roleARN, sessionARN string) error {
	requested, ok1 := parseARN(roleARN)
	got, ok2 := parseARN(sessionARN)
	if !ok1 || !ok2 {
		return nil
	}
	otherAccount := requested.account != "" && got.account != "" && requested.account != got.account
	session, isSession := strings.CutPrefix(got.resource, "assumed-role/")
	path, isRole := strings.CutPrefix(requested.resource, "role/")
	if end := strings.LastIndexByte(session, '/'); end >= 0 {
		session = session[:end]
	}
	otherName := isSession && isRole && !sameRole(path, session)
	if otherAccount || otherName {
		return fmt.Errorf("STS returned a session of another role, %s; it is not used", sessionARN)
	}
	return nil
}

// sameRole reports whether the role in a session's ARN is the one with this
// path and name. In AWS the session has only the name, in Ceph also the path.
func sameRole(path, role string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return strings.EqualFold(role, name) || strings.EqualFold(role, path)
}

// AccountID returns the account in the first AWS ARN that has one, "" if none has.
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

// parseARN parses an ARN of any AWS partition: arn:partition:service:region:account:resource.
func parseARN(s string) (arn, bool) {
	var parts [5]string // all but the resource, which may have colons
	for i := range parts {
		var more bool
		if parts[i], s, more = strings.Cut(s, ":"); !more {
			return arn{}, false
		}
	}
	if parts[0] != "arn" || parts[1] != "aws" && !strings.HasPrefix(parts[1], "aws-") {
		return arn{}, false
	}
	return arn{parts[4], s}, true
}
