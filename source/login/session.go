package login

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

// session is the content of the file.
type session struct {
	content tokenfile.Content
	creds   stschain.Credentials
}

func (s *session) Content() tokenfile.Content {
	if s == nil {
		return tokenfile.Content{}
	}
	return s.content
}

func (s *session) Entry() refresh.Entry {
	if s == nil {
		return refresh.Entry{}
	}
	return refresh.Entry{ID: s.creds.AccessKeyID, Expires: refresh.Expiry(s.creds.Expires)}
}

// path returns the path of the file.
func (p *Provider) path() (string, error) {
	dir := p.CacheDir
	if dir == "" {
		dir = p.variable("AWS_LOGIN_CACHE_DIRECTORY")
		if rest, ok := strings.CutPrefix(dir, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
			dir = filepath.Join(p.home(), rest) // as the AWS CLI does
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

// keepMode reports whether the file keeps its mode when it is written.
func (p *Provider) keepMode() (bool, error) {
	const name = "AWS_RESTRICT_FILE_PERMISSIONS"
	value := p.variable(name)
	switch strings.ToLower(value) {
	case "", "user_read_write":
		return false, nil
	case "unrestricted":
		return true, nil
	}
	return false, stschain.Permanent(fmt.Errorf("%s is %.40q: it can be user_read_write or unrestricted", name, value))
}

func (p *Provider) home() string {
	home := cmp.Or(p.Home, p.variable("HOME"), p.variable("USERPROFILE"))
	if home == "" && p.LookupEnv == nil { // the system's is not part of a given environment
		home, _ = os.UserHomeDir()
	}
	return home
}

func (p *Provider) variable(name string) string { return system.Getenv(p.LookupEnv, name) }

// read returns the session in a file, which may have expired.
func (p *Provider) read(c tokenfile.Content) (*session, error) {
	accessToken, err := c.Object("accessToken")
	if err != nil {
		return nil, err
	}
	if accessToken.IsZero() {
		return nil, errors.New("it has no accessToken")
	}
	// In exactly this case, as a refresh replaces them.
	_, err = accessToken.Required("accessKeyId", "secretAccessKey", "sessionToken", "expiresAt")
	var creds stschain.Credentials
	if err == nil {
		creds, err = credjson.Complete([]byte(c.JSON("accessToken").Reveal()), "sessionToken")
	}
	if err == nil {
		creds.Expires, err = accessToken.Time("expiresAt")
	}
	if err != nil {
		return nil, fmt.Errorf("invalid accessToken: %w", err)
	}
	creds.Origin = p.String()
	return &session{c, creds}, nil
}

// grant contains the secrets that a refresh sends.
type grant struct {
	clientID     string
	refreshToken stschain.Secret
	key          func() *ecdsa.PrivateKey // in a function, so that it is not printed
}

func (s *session) grant() (grant, error) {
	texts, err := s.content.Required("clientId", "refreshToken", "dpopKey")
	if err != nil {
		return grant{}, err
	}
	key, err := parseKey(texts[2])
	return grant{texts[0].Reveal(), texts[1], func() *ecdsa.PrivateKey { return key }}, err
}

// with returns the session after a refresh. The members of the file that the response lacks stay.
func (s *session) with(r renewal) *session {
	accessToken, _ := s.content.Object("accessToken") // it was read before
	doc := s.content.WithObject("accessToken", accessToken.
		WithText("accessKeyId", stschain.NewSecret(r.creds.AccessKeyID)).
		WithText("secretAccessKey", r.creds.SecretAccessKey).
		WithText("sessionToken", r.creds.SessionToken).
		WithTime("expiresAt", r.creds.Expires))
	if !r.refreshToken.IsZero() {
		doc = doc.WithText("refreshToken", r.refreshToken)
	}
	r.creds.AccountID, r.creds.Origin = s.creds.AccountID, s.creds.Origin
	return &session{s.content.With(doc), r.creds}
}
