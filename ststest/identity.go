package ststest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// User is a long-lived identity on the server. It is a stschain.Provider of its keys.
type User struct {
	Name        string
	ARN         string // "arn:aws:iam::123456789012:user/alice"
	Credentials stschain.Credentials
}

// Retrieve returns the user's keys.
func (u User) Retrieve(context.Context) (stschain.Credentials, error) {
	if u.Credentials.AccessKeyID == "" {
		return stschain.Credentials{}, errors.New("ststest: User.Credentials is empty; users come from Server.User and Server.AddUser")
	}
	return u.Credentials, nil
}

// Identity returns that of the user's keys.
func (u User) Identity(ctx context.Context) (stschain.Identity, error) {
	creds, err := u.Retrieve(ctx)
	if err != nil {
		return stschain.Identity{}, err
	}
	return creds.Identity(), nil
}

// String names the user.
func (u User) String() string { return "ststest " + u.ARN }

// User returns alice, the predefined user:
// arn:aws:iam::123456789012:user/alice.
func (s *Server) User() User {
	s.lock()
	defer s.mu.Unlock()
	return s.user
}

// AddUser adds a user and returns it with new keys. A name stands for a user of
// account 123456789012; the ARN of a user, or of an account's root, is used as
// it is. A second call for the same user creates a second pair of keys.
func (s *Server) AddUser(name string) User {
	arn := name
	if !strings.HasPrefix(name, "arn:") {
		arn = "arn:aws:iam::" + AccountID + ":user/" + name
	}
	if !principalARN.MatchString(arn) {
		s.mistake(fmt.Errorf("AddUser: %q is neither a name nor the ARN of a user or an account's root", name))
		return User{}
	}
	s.lock()
	defer s.mu.Unlock()
	return s.addUser(arn)
}

var principalARN = regexp.MustCompile(`^arn:aws[a-z-]*:(iam|sts)::\d{12}:(root|[a-z-]+/[!-~]+)$`)

// The caller of addUser has the lock.
func (s *Server) addUser(arn string) User {
	id := principal(arn)
	id.creds = stschain.Credentials{
		AccessKeyID:     s.newKeyID("AKIA"),
		SecretAccessKey: newSecretKey(),
		AccountID:       id.account,
		Origin:          "ststest " + arn,
	}
	s.know(&id)
	return User{Name: arn[strings.LastIndexAny(arn, "/:")+1:], ARN: arn, Credentials: id.creds}
}

// AddKeys adds keys that the server did not create, as keys of arn: a
// user, an account's root or an assumed role. With a session token they are temporary; Expires is honored.
func (s *Server) AddKeys(arn string, c stschain.Credentials) {
	switch {
	case !principalARN.MatchString(arn):
		s.mistake(fmt.Errorf("AddKeys: %q is not the ARN of a user, a root or an assumed role", arn))
		return
	case c.AccessKeyID == "" || c.SecretAccessKey.IsZero():
		s.mistake(fmt.Errorf("AddKeys: AccessKeyID or SecretAccessKey of %s is missing", arn))
		return
	}
	s.lock()
	defer s.mu.Unlock()
	id := principal(arn)
	id.creds = c
	if id.kind == ofUser && id.temporary() {
		id.kind = ofSession
	}
	s.know(&id)
}

// Revoke ends temporary credentials: from now on the server and the services
// behind [Server.Protect] return ExpiredToken for them. Long-lived keys become
// unknown instead. It reports whether it knew them.
func (s *Server) Revoke(accessKeyID string) bool {
	s.lock()
	defer s.mu.Unlock()
	id, known := s.keys[accessKeyID]
	if known {
		id.revoked = true
	}
	if session := s.bucketSessions[accessKeyID]; session != nil {
		session.revoked, known = true, true
	}
	return known
}

// identity is the server's record of an access key. Only revoked changes, under the server's lock.
type identity struct {
	arn     string
	userID  string
	account string
	creds   stschain.Credentials
	role    string // the ARN of the role, for its sessions
	mfa     bool   // a device was used for GetSessionToken
	revoked bool
	kind    kind
	chained bool // the session was obtained with another session

	sourceIdentity string
	tags           sessionTags
	grant          string // of GetDataAccess
}

// kind is the origin of credentials, which determines what they may do.
type kind int

const (
	ofUser       kind = iota // long-lived
	ofRole                   // AssumeRole, AssumeRoleWithSAML, AssumeRoleWithWebIdentity
	ofSession                // GetSessionToken
	ofFederation             // GetFederationToken
	ofRoot                   // AssumeRoot
	ofDelegation             // GetDelegatedAccessToken
)

// String names the operation that such credentials come from.
func (k kind) String() string {
	return [...]string{"a user", "AssumeRole", "GetSessionToken", "GetFederationToken", "AssumeRoot", "GetDelegatedAccessToken"}[k]
}

func (id *identity) caller() Caller {
	tags, transitive := id.tags.shown()
	return Caller{
		ARN:         id.arn,
		UserID:      id.userID,
		AccountID:   id.account,
		AccessKeyID: id.creds.AccessKeyID,
		Expires:     id.creds.Expires,

		MFA:               id.mfa,
		Grant:             id.grant,
		SourceIdentity:    id.sourceIdentity,
		Tags:              tags,
		TransitiveTagKeys: transitive,
	}
}

func (id *identity) temporary() bool { return !id.creds.SessionToken.IsZero() }

// maxSessions bounds the temporary keys that a server records; the oldest are dropped.
const maxSessions = 10_000

// The caller of know has the lock.
func (s *Server) know(id *identity) {
	key := id.creds.AccessKeyID
	if _, known := s.keys[key]; !known && id.temporary() {
		if len(s.sessions) == maxSessions {
			delete(s.keys, s.sessions[0])
			s.sessions = s.sessions[1:]
		}
		s.sessions = append(s.sessions, key)
	}
	s.keys[key] = id
}

// lookup returns a copy of the record of an access key.
func (s *Server) lookup(accessKeyID string) (identity, bool) {
	s.lock()
	defer s.mu.Unlock()
	id, ok := s.keys[accessKeyID]
	if !ok {
		return identity{}, false
	}
	return *id, true
}

// issue creates temporary credentials for id, with a token of at least this size.
func (s *Server) issue(id identity, expires time.Time, size int) identity {
	id.creds.Expires = expires
	id.creds.SecretAccessKey = newSecretKey()
	id.creds.SessionToken = newSessionToken(size)
	id.creds.AccountID = id.account
	id.creds.Origin = "ststest " + id.arn
	s.lock()
	defer s.mu.Unlock()
	id.creds.AccessKeyID = s.newKeyID("ASIA")
	s.know(&id)
	return id
}

// newKeyID returns an access key ID that is unique to this server and ends in a
// counter, so that IDs are easy to distinguish. The caller has the lock.
func (s *Server) newKeyID(kind string) string {
	s.issued++
	return fmt.Sprintf("%s%s%08d", kind, s.prefix, s.issued)
}

// IAM's unique identifiers do not change.

func userID(arn string) string {
	if resourceOf(arn) == "root" {
		return accountOf(arn)
	}
	return "AIDA" + derivedID(arn)
}

// principal is the identity that an ARN names: a user, a root, or a session.
func principal(arn string) identity {
	id := identity{arn: arn, userID: userID(arn), account: accountOf(arn)}
	if resource, ok := strings.CutPrefix(resourceOf(arn), "assumed-role/"); ok {
		role, session, _ := strings.Cut(resource, "/")
		id.role = "arn:" + partitionOf(arn) + ":iam::" + id.account + ":role/" + role
		id.userID = roleID(id.role) + ":" + session
		id.kind = ofRole
	} else if name, ok := strings.CutPrefix(resourceOf(arn), "federated-user/"); ok {
		id.userID = id.account + ":" + name
		id.kind = ofFederation
	}
	return id
}

func roleID(arn string) string { return "AROA" + derivedID(arn) }

func derivedID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return base32.StdEncoding.EncodeToString(sum[:])[:16]
}

// randomID returns n random characters of the alphabet of AWS's identifiers.
func randomID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base32.StdEncoding.EncodeToString(b)[:n]
}

func newSecretKey() stschain.Secret {
	const head = "hunter2/" // by which a leaked key can be found
	b := make([]byte, 24)
	rand.Read(b)
	return stschain.NewSecret(head + base64.StdEncoding.EncodeToString(b))
}

// newSessionToken returns a token of size bytes, rounded up to a multiple of 4,
// with the characters that some encoding must escape.
func newSessionToken(size int) stschain.Secret {
	const head = "FwoGZXIvYXdzEJ/+"
	b := make([]byte, (size-len(head)+3)/4*3-2) // padded with ==
	rand.Read(b)
	return stschain.NewSecret(head + base64.StdEncoding.EncodeToString(b))
}

// An ARN is arn:partition:service:region:account:resource.

func arnPart(arn string, i int) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[i]
}

func partitionOf(arn string) string { return arnPart(arn, 1) }
func accountOf(arn string) string   { return arnPart(arn, 4) }
func resourceOf(arn string) string  { return arnPart(arn, 5) }
