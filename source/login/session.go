package login

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

// session is what the file holds.
type session struct {
	content tokenfile.Content
	creds   stschain.Credentials
}

func (s session) Content() tokenfile.Content { return s.content }

func (s session) Entry() refresh.Entry {
	return refresh.Entry{ID: s.creds.AccessKeyID, Expires: refresh.Expiry(s.creds.Expires)}
}

// path returns the path of the file.
func (p *Provider) path() (string, error) {
	dir := p.CacheDir
	if dir == "" {
		dir = p.variable("AWS_LOGIN_CACHE_DIRECTORY")
		if rest, ok := strings.CutPrefix(dir, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
			dir = filepath.Join(p.home(), rest) // the AWS CLI does so
		}
	}
	if dir == "" {
		home := p.home()
		if home == "" {
			return "", stschain.Permanent(errors.New("there is no home directory to find .aws/login/cache in: set CacheDir, or AWS_LOGIN_CACHE_DIRECTORY"))
		}
		dir = filepath.Join(home, ".aws", "login", "cache")
	}
	name := sha256.Sum256([]byte(strings.TrimSpace(p.Session)))
	return filepath.Join(dir, hex.EncodeToString(name[:])+".json"), nil
}

func (p *Provider) home() string {
	for _, home := range []string{p.Home, p.variable("HOME"), p.variable("USERPROFILE")} {
		if home != "" {
			return home
		}
	}
	if p.LookupEnv != nil { // the system's is not part of a given environment
		return ""
	}
	home, _ := os.UserHomeDir()
	return home
}

// variable is one of the environment; blank counts as not set.
func (p *Provider) variable(name string) string {
	lookup := os.LookupEnv
	if p.LookupEnv != nil {
		lookup = p.LookupEnv
	}
	value, _ := lookup(name)
	return strings.TrimSpace(value)
}

// parse reads the session, which may have expired.
func (p *Provider) parse(c tokenfile.Content) (session, error) {
	creds, err := credentials(c.Document)
	creds.Origin = p.String()
	return session{c, creds}, err
}

// credentials reads the credentials of a file.
func credentials(doc tokenfile.Document) (stschain.Credentials, error) {
	held, err := doc.Object("accessToken")
	if err != nil {
		return stschain.Credentials{}, err
	}
	if held.IsZero() {
		return stschain.Credentials{}, errors.New("it has no accessToken")
	}
	for _, name := range []string{"accessKeyId", "secretAccessKey", "sessionToken"} { // in this case: a refresh replaces them
		if text, err := held.Text(name); err == nil && text.IsZero() {
			return stschain.Credentials{}, errors.New("its accessToken has no " + name)
		}
	}
	creds, err := parseKeys(doc.JSON("accessToken"))
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds.Expires, err = held.Time("expiresAt")
	if err == nil && creds.Expires.IsZero() {
		err = errors.New("its accessToken has no expiresAt")
	}
	return creds, err
}

// parseKeys reads an accessToken, which a file and the service have alike.
func parseKeys(accessToken stschain.Secret) (stschain.Credentials, error) {
	object, err := credjson.Parse([]byte(accessToken.Reveal()), "SessionToken")
	if err != nil {
		return stschain.Credentials{}, errors.New("its accessToken cannot be used: " + err.Error())
	}
	creds, err := object.Credentials("")
	switch {
	case err != nil:
		return stschain.Credentials{}, errors.New("its accessToken cannot be used: " + err.Error())
	case creds.SessionToken.IsZero():
		return stschain.Credentials{}, errors.New("its accessToken cannot be used: it has no SessionToken")
	}
	return creds, nil
}

// grant is what a refresh sends.
type grant struct {
	clientID     string
	refreshToken stschain.Secret
	key          func() *ecdsa.PrivateKey // in a function, so that it is not printed
}

func (s session) grant() (grant, error) {
	var texts [3]stschain.Secret
	for i, name := range []string{"clientId", "refreshToken", "dpopKey"} {
		text, err := s.content.Text(name)
		if err == nil && text.IsZero() {
			err = errors.New("it has no " + name)
		}
		if err != nil {
			return grant{}, err
		}
		texts[i] = text
	}
	key, err := parseKey(texts[2])
	return grant{texts[0].Reveal(), texts[1], func() *ecdsa.PrivateKey { return key }}, err
}

// with returns the session after a refresh. The members of the file that the response lacks stay.
func (s session) with(a answer) session {
	held, _ := s.content.Object("accessToken") // it was read before
	doc := s.content.WithObject("accessToken", held.
		WithText("accessKeyId", stschain.NewSecret(a.creds.AccessKeyID)).
		WithText("secretAccessKey", a.creds.SecretAccessKey).
		WithText("sessionToken", a.creds.SessionToken).
		WithTime("expiresAt", a.creds.Expires))
	if !a.refreshToken.IsZero() {
		doc = doc.WithText("refreshToken", a.refreshToken)
	}
	s.content = s.content.With(doc)
	a.creds.AccountID, a.creds.Origin = s.creds.AccountID, s.creds.Origin
	s.creds = a.creds
	return s
}
