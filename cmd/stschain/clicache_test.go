package main

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/login"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/webidentity"
)

// The names of the files that the AWS CLI shares.
func TestConformance(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(conformance.Dir(t), "cli-cache", "cache-key-vectors.json"))
	require.NoError(t, err)
	var vectors []struct{ Kind, Hashed, File string }
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.Len(t, vectors, 19)
	t.Run("cli-cache", func(t *testing.T) {
		for i, v := range vectors {
			t.Run(fmt.Sprintf("%02d", i+1), func(t *testing.T) {
				t.Log(v.Kind, v.Hashed)
				require.Equal(t, v.File, fileOf(t, v.Kind, v.Hashed))
			})
		}
	})
}

// fileOf returns the name of the file that a provider of the kind uses.
func fileOf(t *testing.T, kind, hashed string) string {
	var opened []string
	open := func(path string) (fs.File, error) {
		opened = append(opened, filepath.Base(path))
		return nil, fs.ErrNotExist
	}
	switch kind {
	case "sso token":
		p := &sso.Provider{Session: hashed, Region: "eu-west-1", AccountID: "123456789012", RoleName: "r", CacheDir: t.TempDir(), Open: open}
		if strings.HasPrefix(hashed, "https:") {
			p.Session, p.StartURL = "", hashed
		}
		_, err := p.Retrieve(t.Context())
		require.Error(t, err)
		return opened[0]
	case "aws login token (SHA-256)":
		_, err := (&login.Provider{Session: hashed, Region: "eu-west-1", Home: t.TempDir(), Open: open}).Retrieve(t.Context())
		require.Error(t, err)
		return opened[0]
	}
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(hashed), &fields))
	require.Equal(t, hashed, pythonJSON(fields, strings.HasPrefix(kind, "sso-role")))
	get := func(name string) string { value, _ := fields[name].(string); return value }
	var role stschain.Provider
	switch kind {
	case "assume-role":
		r := &assumerole.Provider{RoleARN: get("RoleArn"), SessionName: get("RoleSessionName"), ExternalID: get("ExternalId"), SerialNumber: get("SerialNumber")}
		if seconds, ok := fields["DurationSeconds"].(float64); ok {
			r.Duration = time.Duration(seconds) * time.Second
		}
		if policy := fields["Policy"]; policy != nil {
			text, err := json.Marshal(policy)
			require.NoError(t, err)
			r.Policy = string(text)
		}
		role = r
	case "web-identity":
		role = &webidentity.Provider{RoleARN: get("RoleArn"), SessionName: get("RoleSessionName")}
	case "sso-role (legacy)", "sso-role (sso-session)":
		role = &sso.Provider{AccountID: get("accountId"), RoleName: get("roleName"), Session: get("sessionName"), StartURL: get("startUrl")}
	default:
		require.Equal(t, "sso client registration", kind)
		sum := sha1.Sum([]byte(hashed))
		return hex.EncodeToString(sum[:]) + ".json"
	}
	name, _ := cliFile(role)
	return name
}

func TestPythonJSON(t *testing.T) {
	for want, s := range map[string]string{
		`"\u00e9 \ud83d\ude00 \u007f"`: "é 😀 \x7f", `"\"\\\n\r\t\b\f\u0001/<"`: "\"\\\n\r\t\b\f\x01/<", `""`: "",
	} {
		require.Equal(t, want, pythonJSON(s, false))
	}
	require.Equal(t, `{"a": [1, true, null, {}], "b": "x"}`, pythonJSON(map[string]any{"b": "x", "a": []any{1, true, nil, map[string]any{}}}, false))
}

// cliText is a file as the AWS CLI writes it.
func cliText(id, arn string, left time.Duration) string {
	return fmt.Sprintf(`{"Credentials": {"AccessKeyId": %q, "SecretAccessKey": "canary/cli/secret", "SessionToken": "canary/cli/token", "Expiration": %q, "AccountId": "123456789012"}, `+
		`"AssumedRoleUser": {"AssumedRoleId": "AROA:x", "Arn": %q}, "ResponseMetadata": {"HTTPStatusCode": 200}}`,
		id, time.Now().UTC().Add(left).Format("2006-01-02T15:04:05")+"UTC", arn)
}

const sessionARN = "arn:aws:sts::123456789012:assumed-role/backup/botocore-session-1"

func TestSessionOfTheAWSCLI(t *testing.T) {
	good := cliText("ASIACLI", sessionARN, time.Hour)
	for name, tt := range map[string]struct {
		text, session string
		ok            bool
	}{
		"UTC":                     {good, "", true},
		"Z":                       {strings.Replace(good, "UTC", "Z", 1), "", true},
		"offset":                  {strings.Replace(good, "UTC", "+00:00", 1), "", true},
		"16 minutes":              {cliText("ASIACLI", sessionARN, 16*time.Minute), "", true},
		"14 minutes":              {cliText("ASIACLI", sessionARN, 14*time.Minute), "", false},
		"expired":                 {cliText("ASIACLI", sessionARN, -time.Minute), "", false},
		"our session":             {good, "botocore-session-1", true},
		"another session":         {good, "nightly", false},
		"another role":            {cliText("ASIACLI", strings.Replace(sessionARN, "backup", "admin", 1), time.Hour), "", false},
		"another account":         {cliText("ASIACLI", strings.Replace(sessionARN, "123456789012", "999999999999", 1), time.Hour), "", false},
		"another partition":       {cliText("ASIACLI", strings.Replace(sessionARN, "arn:aws:", "arn:aws-cn:", 1), time.Hour), "", false},
		"account of the keys":     {strings.Replace(good, `"AccountId": "123456789012"`, `"AccountId": "999999999999"`, 1), "", false},
		"no user":                 {strings.Replace(good, "AssumedRoleUser", "Other", 1), "", false},
		"no token":                {strings.Replace(good, "canary/cli/token", "", 1), "", false},
		"malformed key":           {strings.Replace(good, "ASIACLI", "ASIA CLI", 1), "", false},
		"half a file":             {good[:len(good)/2], "", false},
		"empty":                   {"", "", false},
		"not a time":              {strings.Replace(good, "UTC", "CET", 1), "", false},
		"null":                    {"null", "", false},
		"larger than any session": {good + strings.Repeat(" ", maxCLIFile), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file.json")
			require.NoError(t, os.WriteFile(path, []byte(tt.text), 0o600))
			s := &cliSession{path: path, role: sessionRole{origin: "assumerole x", arn: "arn:aws:iam::123456789012:role/ops/backup", session: tt.session}}
			creds, ok := s.read(time.Now())
			require.Equal(t, tt.ok, ok)
			if !ok {
				return
			}
			require.Equal(t, "ASIACLI", creds.AccessKeyID)
			require.Equal(t, "canary/cli/token", creds.SessionToken.Reveal())
			require.Equal(t, "123456789012", creds.AccountID)
			require.Equal(t, "assumerole x, cache of the AWS CLI", creds.Origin)
			canary.Check(t, "canary/cli/secret", creds, s)
			if runtime.GOOS != "windows" {
				require.NoError(t, os.Chmod(path, 0o620))
				_, ok = s.read(time.Now())
				require.False(t, ok, "others can write it")
			}
		})
	}
}

// A role with an MFA device uses the session for which the AWS CLI prompted. No request is sent.
func TestRunWithSessionOfTheAWSCLI(t *testing.T) {
	w := newWorld(t)
	mfaConfig(w, "arn:aws:iam::123456789012:mfa/alice")
	delete(w.env, "AWS_ENDPOINT_URL_STS")
	w.env["LOCALAPPDATA"], w.env["USERPROFILE"] = w.home, w.home
	name, _ := cliFile(&assumerole.Provider{RoleARN: roleARN, SerialNumber: "arn:aws:iam::123456789012:mfa/alice"})
	dir := filepath.Join(w.home, ".aws", "cli", "cache")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(cliText("ASIACLI", sessionARN, time.Hour)), 0o600))
	require.Equal(t, "ASIACLI", w.session().AccessKeyID)
	require.NoError(t, os.Remove(filepath.Join(dir, name)))
	require.Equal(t, "ASIACLI", w.session().AccessKeyID, "it is kept")
	require.Equal(t, exitOK, first(w.run("forget")))

	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(cliText("ASIACLI", sessionARN, time.Hour)), 0o600))
	require.Equal(t, exitFailed, first(w.run("process", "-no-cache")))
	w.env["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:1" // a server that the file does not name
	require.Equal(t, exitFailed, first(w.run("process")))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing was written")
}

func first(code int, _, _ string) int { return code }

// The cache of the AWS CLI is written with -share-with-aws-cli only, and not for servers that its files do not name.
func TestShareWithTheAWSCLI(t *testing.T) {
	home := t.TempDir()
	role := &assumerole.Provider{RoleARN: roleARN, Client: &stsquery.Client{Region: "eu-west-1"}}
	creds := stschain.Credentials{AccessKeyID: "ASIAOURS", SecretAccessKey: stschain.NewSecret("s"), SessionToken: stschain.NewSecret("t"), AccountID: "123456789012", Expires: time.Now().Add(time.Hour)}
	c := &call{lookupEnv: func(string) (string, bool) { return home, true }}
	c.cli(role).write(creds)
	require.NoDirExists(t, filepath.Join(home, ".aws"))

	c.shareCLI = true
	for range 2 {
		c.cli(role).write(creds)
	}
	dir := filepath.Join(home, ".aws", "cli", "cache")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	name, _ := cliFile(role)
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	require.JSONEq(t, `{"Credentials": {"AccessKeyId": "ASIAOURS", "SecretAccessKey": "s", "SessionToken": "t", "AccountId": "123456789012", "Expiration": "`+
		creds.Expires.UTC().Format(time.RFC3339)+`"}}`, string(text))
	info, err := entries[0].Info()
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o600), info.Mode())
	}

	role.Client.Endpoint = "http://127.0.0.1:1"
	require.Nil(t, c.cli(role))
	require.Nil(t, c.cli(&sso.Provider{PortalEndpoint: "http://127.0.0.1:1"}))
	require.Nil(t, c.cli(&webidentity.Provider{Client: &stsquery.Client{Endpoint: "http://127.0.0.1:1"}}))
	require.Nil(t, c.cli(otherProvider{}))
	(*cliSession)(nil).write(creds)
}

type otherProvider struct{ stschain.Provider }
