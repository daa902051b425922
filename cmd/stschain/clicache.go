package main

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/webidentity"
)

// cliSession is the file in ~/.aws/cli/cache with the session of one role. A nil one does not exist.
type cliSession struct {
	path   string
	role   sessionRole
	shared bool // it may be written
}

// sessionRole is the role that a file must have a session of.
type sessionRole struct {
	origin, arn, session string // session "": any
	account              string // of a role in IAM Identity Center, which has no arn
}

// cli returns the file of a role, nil if there is none that has exactly its sessions: the names of the files do not contain the endpoint.
func (c *call) cli(role stschain.Provider) *cliSession {
	home, ok := c.variable("HOME")
	if runtime.GOOS == "windows" {
		home, ok = c.variable("USERPROFILE")
	}
	name, of := cliFile(role)
	if !ok || name == "" {
		return nil
	}
	return &cliSession{filepath.Join(home, ".aws", "cli", "cache", name), of, c.shareCLI}
}

// cliFile returns the name of the file in which the AWS CLI keeps the sessions of a role.
func cliFile(role stschain.Provider) (name string, of sessionRole) {
	key := map[string]any{}
	set := func(name, value string) {
		if value != "" {
			key[name] = value
		}
	}
	compact := false
	switch r := role.(type) {
	case *assumerole.Provider:
		if r.Client != nil && r.Client.Endpoint != "" || len(r.PolicyARNs) > 0 || len(r.Tags) > 0 {
			return "", of
		}
		set("RoleArn", r.RoleARN)
		set("RoleSessionName", r.SessionName)
		set("ExternalId", r.ExternalID)
		set("SerialNumber", r.SerialNumber)
		if r.Duration > 0 {
			key["DurationSeconds"] = int(r.Duration / time.Second)
		}
		if r.Policy != "" {
			var policy any
			if json.Unmarshal([]byte(r.Policy), &policy) != nil {
				return "", of
			}
			key["Policy"] = policy
		}
		of = sessionRole{origin: r.String(), arn: r.RoleARN, session: r.SessionName}
	case *webidentity.Provider:
		if r.Client != nil && r.Client.Endpoint != "" {
			return "", of
		}
		set("RoleArn", r.RoleARN)
		set("RoleSessionName", r.SessionName)
		of = sessionRole{origin: r.String(), arn: r.RoleARN, session: r.SessionName}
	case *sso.Provider:
		if r.PortalEndpoint != "" {
			return "", of
		}
		compact = true
		set("accountId", r.AccountID)
		set("roleName", r.RoleName)
		set("sessionName", r.Session)
		if r.Session == "" {
			set("startUrl", r.StartURL)
		}
		of = sessionRole{origin: r.String(), account: r.AccountID}
	default:
		return "", of
	}
	sum := sha1.Sum([]byte(pythonJSON(key, compact)))
	return hex.EncodeToString(sum[:]) + ".json", of
}

// cliDocument is the content of a file.
type cliDocument struct {
	ProviderType string `json:",omitempty"`
	Credentials  struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
		AccountID       string `json:"AccountId,omitempty"`
	}
	AssumedRoleUser *struct {
		ARN string `json:"Arn"`
	} `json:",omitempty"`
}

const (
	maxCLIFile = 64 << 10
	cliLeft    = 15 * time.Minute // that the AWS CLI requires of a session
)

// read returns the session in the file. A file that cannot be used counts as absent, as for the AWS CLI, which replaces it.
func (s *cliSession) read(now time.Time) (creds stschain.Credentials, ok bool) {
	if s == nil {
		return creds, false
	}
	info, err := os.Lstat(s.path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCLIFile || checkOwner(info) != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return creds, false
	}
	f, err := os.Open(s.path)
	if err != nil {
		return creds, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCLIFile))
	if err != nil {
		return creds, false
	}
	return s.role.parse(text, now)
}

// parse returns the session in the content of a file.
func (r sessionRole) parse(text []byte, now time.Time) (creds stschain.Credentials, ok bool) {
	var d cliDocument
	if json.Unmarshal(text, &d) != nil {
		return creds, false
	}
	expires, err := time.Parse(time.RFC3339, strings.Replace(d.Credentials.Expiration, "UTC", "Z", 1))
	keys := d.Credentials
	if err != nil || expires.Sub(now) < cliLeft || !r.has(&d) || keys.SessionToken == "" {
		return creds, false
	}
	for _, value := range []string{keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken} {
		if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return creds, false
		}
	}
	return stschain.Credentials{
		AccessKeyID: keys.AccessKeyID, SecretAccessKey: stschain.NewSecret(keys.SecretAccessKey), SessionToken: stschain.NewSecret(keys.SessionToken),
		AccountID: r.accountID(), Expires: expires, Origin: r.origin + ", cache of the AWS CLI",
	}, true
}

// has reports whether a document has a session of the role.
func (r sessionRole) has(d *cliDocument) bool {
	account := d.Credentials.AccountID
	if r.arn == "" {
		return d.ProviderType == "sso" && (account == "" || account == r.account)
	}
	role, user := strings.Split(r.arn, ":"), []string{}
	if d.AssumedRoleUser != nil {
		user = strings.Split(d.AssumedRoleUser.ARN, ":")
	}
	if len(role) != 6 || len(user) != 6 || role[0] != user[0] || role[1] != user[1] || user[2] != "sts" || role[4] != user[4] || account != "" && account != role[4] {
		return false
	}
	kind, rest, _ := strings.Cut(user[5], "/")
	name, session, _ := strings.Cut(rest, "/")
	return kind == "assumed-role" && name == role[5][strings.LastIndex(role[5], "/")+1:] && (r.session == "" || session == r.session)
}

func (r sessionRole) accountID() string {
	if parts := strings.Split(r.arn, ":"); len(parts) == 6 {
		return parts[4]
	}
	return r.account
}

// write writes the session, if the user wants to share it. A failure is not an error: the file is for another program.
func (s *cliSession) write(creds stschain.Credentials) {
	if s == nil || !s.shared || creds.Expires.IsZero() {
		return
	}
	if had, ok := s.read(time.Now()); ok && had.AccessKeyID == creds.AccessKeyID {
		return
	}
	var d cliDocument
	if s.role.arn == "" {
		d.ProviderType = "sso"
	}
	d.Credentials.AccessKeyID, d.Credentials.AccountID = creds.AccessKeyID, creds.AccountID
	d.Credentials.SecretAccessKey, d.Credentials.SessionToken = creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal()
	d.Credentials.Expiration = creds.Expires.UTC().Format(time.RFC3339)
	text, err := json.Marshal(d)
	if err != nil || os.MkdirAll(filepath.Dir(s.path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".stschain-") // with mode 0600
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if f.Close() == nil && err == nil {
		_ = os.Rename(f.Name(), s.path)
	}
}

// pythonJSON encodes a value as json.dumps of Python does, with sorted keys: the AWS CLI hashes that.
func pythonJSON(v any, compact bool) string {
	comma, colon := ", ", ": "
	if compact {
		comma, colon = ",", ":"
	}
	var b strings.Builder
	var encode func(v any)
	list := func(open, end string, n int, item func(i int)) {
		b.WriteString(open)
		for i := range n {
			if i > 0 {
				b.WriteString(comma)
			}
			item(i)
		}
		b.WriteString(end)
	}
	encode = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			names := slices.Sorted(maps.Keys(v))
			list("{", "}", len(names), func(i int) {
				encode(names[i])
				b.WriteString(colon)
				encode(v[names[i]])
			})
		case []any:
			list("[", "]", len(v), func(i int) { encode(v[i]) })
		case string:
			pythonString(&b, v)
		default:
			text, _ := json.Marshal(v)
			b.Write(text)
		}
	}
	encode(v)
	return b.String()
}

// pythonString writes a string with an escape for each character outside of ASCII.
func pythonString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch short := strings.IndexRune("\"\\\n\r\t\b\f", r); {
		case short >= 0:
			b.WriteByte('\\')
			b.WriteByte(`"\nrtbf`[short])
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
}
