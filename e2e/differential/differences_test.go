package differential_test

import (
	"slices"
	"strings"
)

// class is a row of docs/differences.md.
type class struct {
	name    string
	arrange func(random, *setup) // makes a setup of the class

	same        func(s *setup, ours result) bool // all libraries do this; nil: they differ
	goSDK, boto difference                       // nil: as ours
}

// difference reports whether theirs differs from ours as the class says.
type difference func(s *setup, ours, theirs result) bool

func explain(library string, s *setup, ours, theirs result) string {
	for _, c := range classes {
		differs := c.goSDK
		if library == "botocore" {
			differs = c.boto
		}
		if differs != nil && differs(s, ours, theirs) {
			return c.name
		}
	}
	return ""
}

func (d difference) and(other difference) difference {
	return func(s *setup, ours, theirs result) bool { return d(s, ours, theirs) && other(s, ours, theirs) }
}

func (d difference) or(other difference) difference {
	return func(s *setup, ours, theirs result) bool { return d(s, ours, theirs) || other(s, ours, theirs) }
}

// arranged: the setup is of one of the classes.
func arranged(classes ...string) difference {
	return func(s *setup, _, _ result) bool {
		return slices.ContainsFunc(s.arranged, func(name string) bool { return slices.Contains(classes, name) })
	}
}

// weFail: this library returns an error with one of the texts.
func weFail(texts ...string) difference {
	return func(_ *setup, ours, _ result) bool { return containsAny(ours.Error, texts) }
}

// theyFail: this library finds credentials, and the other one returns an error with one of the texts.
func theyFail(texts ...string) difference {
	return func(_ *setup, ours, theirs result) bool { return ours.Error == "" && containsAny(theirs.Error, texts) }
}

// sameKey: both find the same key, and only what the condition compares differs.
func sameKey(condition func(ours, theirs result) bool) difference {
	return func(_ *setup, ours, theirs result) bool {
		return ours.Key != "" && ours.Key == theirs.Key && condition(ours, theirs)
	}
}

func callsDiffer(ours, theirs result) bool {
	return !slices.EqualFunc(ours.Calls, theirs.Calls, sameCall)
}
func tokenIgnored(ours, theirs result) bool  { return ours.Token != "" && theirs.Token == "" }
func accountPassed(ours, theirs result) bool { return ours.Account == "" && theirs.Account != "" }
func endpointIgnored(ours, theirs result) bool {
	return strings.Contains(strings.Join(ours.Calls, ""), ".example.com") && !strings.Contains(strings.Join(theirs.Calls, ""), ".example.com")
}
func commentKept(ours, theirs result) bool {
	rest, ok := strings.CutPrefix(theirs.Secret, ours.Secret)
	return ok && containsAny(rest, []string{"# comment", "; comment"})
}

var endpointAndFIPS = weFail("FIPS and Client.Endpoint are both set", "DualStack and Client.Endpoint are both set")

func signedByLogin(_ *setup, ours, theirs result) bool {
	return theirs.Error != "" && strings.Contains(strings.Join(ours.Calls, ""), "by ASIALOGIN")
}

var expired = weFail("AWS_CREDENTIAL_EXPIRATION is 2001")

// oldKeys: the setup has variables that botocore ignores.
var oldKeys = difference(func(s *setup, _, _ result) bool { return s.env["AWS_ACCESS_KEY"]+s.env["AWS_SECRET_KEY"] != "" })

const parseError = "ConfigParseError" // of botocore

func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

func firstCall(text string) func(*setup, result) bool {
	return func(_ *setup, ours result) bool { return len(ours.Calls) > 0 && strings.Contains(ours.Calls[0], text) }
}

func sameError(text string) func(*setup, result) bool {
	return func(_ *setup, ours result) bool { return strings.Contains(ours.Error, text) }
}
