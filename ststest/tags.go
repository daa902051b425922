package ststest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// sessionTags are the tags of a session, by key in lower case: keys are not
// case-sensitive.
type sessionTags map[string]sessionTag

type sessionTag struct {
	key, value string
	transitive bool // the next session of a role chain inherits it
}

// newTags returns the tags of a session: those that it requests and those that it inherits from the caller's session.
func newTags(requested []sessionTag, transitive []string, caller sessionTags) (sessionTags, *refusal) {
	tags := sessionTags{}
	for key, tag := range caller {
		if tag.transitive {
			tags[key] = tag
		}
	}
	inherited := maps.Clone(tags)
	conflict := badTag("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
	for _, tag := range requested {
		key := strings.ToLower(tag.key)
		switch _, again := tags[key]; {
		case inherited.has(tag.key):
			return nil, conflict
		case again:
			return nil, badTag("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case strings.HasPrefix(key, "aws:"):
			return nil, badTag("ValidationError", "Tag keys that start with aws: are reserved for system use.")
		}
		tags[key] = tag
	}
	for _, name := range transitive {
		key := strings.ToLower(name)
		tag, ok := tags[key]
		switch {
		case inherited.has(name):
			return nil, conflict
		case !ok:
			return nil, badTag("ValidationError", "The specified transitive tag key must be included in the requested tags.")
		}
		tag.transitive = true
		tags[key] = tag
	}
	return tags, nil
}

func badTag(code, message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: message}
}

func (t sessionTags) has(key string) bool {
	_, ok := t[strings.ToLower(key)]
	return ok
}

// size is what the tags add to the size of the session's policies.
func (t sessionTags) size() int {
	n := 0
	for _, tag := range t {
		n += len(tag.key) + len(tag.value)
	}
	return n
}

// shown returns the tags in the form of the request; nil if there are none.
func (t sessionTags) shown() (tags map[string]string, transitive []string) {
	for _, key := range slices.Sorted(maps.Keys(t)) {
		if tags == nil {
			tags = map[string]string{}
		}
		tags[t[key].key] = t[key].value
		if t[key].transitive {
			transitive = append(transitive, t[key].key)
		}
	}
	return tags, transitive
}

// formTags returns the Tags of a request.
func (q *request) formTags() []sessionTag {
	var tags []sessionTag
	for i := range countMembers(q.form, "Tags") {
		at := "Tags.member." + strconv.Itoa(i+1)
		tags = append(tags, sessionTag{key: q.form.Get(at + ".Key"), value: q.form.Get(at + ".Value")})
	}
	return tags
}
