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
func keysStep(s *Section) ([]step, error) {
	keys, err := keysOf(s)
	return []step{{kind: fromKeys, profile: s.Name, keys: keys, account: accountOf(s)}}, err
}

// accountOf returns the account of keys and processes. It only informs, so what is not the number of
// one is ignored.
func accountOf(s *Section) string {
	if account := s.value("aws_account_id"); credjson.IsAccount(account) {
		return account
	}
	return ""
}

// keysOf takes all parts of the keys from one file: parts of two would not fit.
func keysOf(s *Section) (k keys, err error) {
	id, hasID := s.Property("aws_access_key_id")
	secret, hasSecret := s.Property("aws_secret_access_key")
	token, hasToken := s.Property(tokenKeys[0])
	if !hasToken {
		token, _ = s.Property(tokenKeys[1])
	}
	switch {
	case !hasID && !hasSecret:
		return k, token.errorf("there are no keys that the token belongs to: aws_access_key_id and aws_secret_access_key are missing%s", s.indented(keyPair...))
	case !hasSecret:
		return k, id.errorf("aws_secret_access_key is missing%s", s.indented(keyPair...))
	case !hasID:
		return k, secret.errorf("aws_access_key_id is missing%s", s.indented(keyPair...))
	case id.Position.File != secret.Position.File:
		return k, id.errorf("aws_secret_access_key is in another file (%s): both belong into one", secret.Position)
	case id.Position.File != token.Position.File:
		token = Property{}
	}
	for _, property := range []Property{id, secret, token} {
		if strings.ContainsFunc(property.text(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return k, property.errorf("the value has white space or characters beyond ASCII, which no request can carry%s", s.continuing(property))
		}
	}
	return keys{id.text(), secret.Value, token.Value}, nil
}
