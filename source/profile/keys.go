package profile

import (
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
)

var (
	keyPair   = []string{"aws_access_key_id", "aws_secret_access_key"}
	tokenKeys = []string{"aws_session_token", "aws_security_token"} // the second is its old name
)

type keys struct {
	id            string
	secret, token stschain.Secret
}

// keysStep is the step of a profile's keys.
func keysStep(s *section) ([]*step, error) {
	keys, err := keysOf(s)
	return []*step{{kind: fromKeys, profile: s.name, keys: keys, account: accountOf(s)}}, err
}

// accountOf returns the account of keys and processes. It is informational, so an invalid one is ignored.
func accountOf(s *section) string {
	if account := s.get("aws_account_id").text(); credjson.IsAccount(account) {
		return account
	}
	return ""
}

// keysOf takes all parts of the keys from one file: those of two files would not fit together.
func keysOf(s *section) (k keys, err error) {
	id, secret, token := s.get(keyPair[0]), s.get(keyPair[1]), s.first(tokenKeys...)
	switch {
	case !id.isSet() && !secret.isSet():
		return k, token.errorf("the keys of the token are missing: aws_access_key_id and aws_secret_access_key%s", s.indented(keyPair...))
	case !secret.isSet():
		return k, id.errorf("aws_secret_access_key is missing%s", s.indented(keyPair...))
	case !id.isSet():
		return k, secret.errorf("aws_access_key_id is missing%s", s.indented(keyPair...))
	case id.position.file != secret.position.file:
		return k, id.errorf("aws_secret_access_key is in another file (%s): write both into one", secret.position)
	case id.position.file != token.position.file:
		token = new(property)
	}
	for _, p := range []*property{id, secret, token} {
		if strings.ContainsFunc(p.text(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return k, p.errorf("the value has white space or characters beyond ASCII, which no request can carry%s", s.continued(p))
		}
	}
	return keys{id.text(), secret.value, token.value}, nil
}
