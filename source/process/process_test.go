package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/process"
)

const secret = "wJalrXUtnFEMI/hunter4711+KEY"

// printing runs no process.
func printing(stdout string) func(context.Context, string) ([]byte, error) {
	return func(context.Context, string) ([]byte, error) { return []byte(stdout), nil }
}

func TestParse(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const keys = `"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"` + secret + `"`
	full := stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret(secret), AccountID: "999999999999", Origin: "process helper"}
	with := func(change func(*stschain.Credentials)) stschain.Credentials {
		c := full
		change(&c)
		return c
	}
	until := func(s string) stschain.Credentials {
		return with(func(c *stschain.Credentials) { c.Expires, _ = time.Parse(time.RFC3339, s) })
	}
	for name, test := range map[string]struct {
		out       string
		want      stschain.Credentials
		err       string
		permanent bool
	}{
		"keys": {out: "{" + keys + "}", want: full},
		"with more": {out: "{" + keys + `,"Other":[{}],"SessionToken":"` + secret + `","AccountId":"123456789012"}` + "\r\n", want: with(func(c *stschain.Credentials) {
			c.SessionToken, c.AccountID = stschain.NewSecret(secret), "123456789012"
		})},
		"another case":     {out: `{"version":1,"ACCESSKEYID":"AKIDEXAMPLE","secretaccesskey":"` + secret + `"}`, want: full},
		"nulls":            {out: "{" + keys + `,"SessionToken":null,"Expiration":null,"AccountId":null}`, want: full},
		"blanks":           {out: "{" + keys + `,"SessionToken":"","Expiration":"","AccountId":""}`, want: full},
		"byte order mark":  {out: "\ufeff{" + keys + "}", want: full},
		"expires":          {out: "{" + keys + `,"Expiration":"2026-11-21T12:00:01Z"}`, want: until("2026-11-21T12:00:01Z")},
		"fraction, offset": {out: "{" + keys + `,"Expiration":"2026-11-21T14:00:00.000000001+02:00"}`, want: until("2026-11-21T12:00:00.000000001Z")},
		"offset of 8601":   {out: "{" + keys + `,"Expiration":"2026-11-21T14:00:00+0100"}`, want: until("2026-11-21T13:00:00Z")},
		"Python's form":    {out: "{" + keys + `,"Expiration":"2026-11-21 12:00:01+00:00"}`, want: until("2026-11-21T12:00:01Z")}, // A12: aws-sdk-go#3324
		"in small letters": {out: "{" + keys + `,"Expiration":"2026-11-21t12:00:01z"}`, want: until("2026-11-21T12:00:01Z")},      // A12: botocore#1980
		"far":              {out: "{" + keys + `,"Expiration":"9999-12-31T23:59:59Z"}`, want: until("9999-12-31T23:59:59Z")},
		"expires now":      {out: "{" + keys + `,"Expiration":"2026-11-21T12:00:00Z"}`, err: "credentials that expired at 2026-11-21T12:00:00Z, and it is 2026-11-21T12:00:00Z"},
		"year 1":           {out: "{" + keys + `,"Expiration":"0001-01-01T00:00:00Z"}`, err: "Expiration is not a valid time"},
		"no zone":          {out: "{" + keys + `,"Expiration":"2026-11-21T14:00:00"}`, err: "Expiration is not a valid time"},
		"epoch":            {out: "{" + keys + `,"Expiration":1795283818}`, err: "its Expiration is not a string"},
		// What is not an account is ignored, and the profile's is returned (A6: aws-c-auth).
		"account with a letter": {out: "{" + keys + `,"AccountId":"12345678901x"}`, want: full},
		"account, an object":    {out: "{" + keys + `,"AccountId":{"id":"123456789012"}}`, want: full},
		"account, short":        {out: "{" + keys + `,"AccountId":12345}`, want: full},
		"account, a number":     {out: "{" + keys + `,"AccountId":123456789012}`, want: with(func(c *stschain.Credentials) { c.AccountID = "123456789012" })},
		"secret of two words":   {out: `{"Version":1,"AccessKeyId":"A","SecretAccessKey":"` + secret + ` x"}`, err: "its SecretAccessKey has control characters or white space"},
		"nothing":               {out: " \n", err: "it is empty"},
		"no Version":            {out: `{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"` + secret + `"}`, err: "Version is missing or not 1", permanent: true},
		"Version 2":             {out: `{"Version":2}`, err: "Version is missing or not 1", permanent: true},
		"Version in quotes":     {out: `{"Version":"1"}`, err: "Version is missing or not 1", permanent: true},
		"Version null":          {out: `{"Version":null}`, err: "Version is missing or not 1", permanent: true},
		"keys twice":            {out: "{" + keys + `,"accessKeyId":"AKIDOTHER"}`, err: "it has a member twice"},
		"two objects":           {out: "{" + keys + "}{}", err: "it is not a JSON object"},
		"a greeting":            {out: "Hello!\n{" + keys + "}", err: "it is not a JSON object"},
		"an array":              {out: "[{" + keys + "}]", err: "it is not a JSON object"},
		"half":                  {out: "{" + keys, err: "it is not a JSON object"},
		"no UTF-8":              {out: "{" + keys + ",\"x\":\"\xff\"}", err: "it is not in UTF-8"},
		"key with a space":      {out: `{"Version":1,"AccessKeyId":"A B","SecretAccessKey":"` + secret + `"}`, err: "its AccessKeyId has spaces"},
		"secret of 2 lines":     {out: `{"Version":1,"AccessKeyId":"A","SecretAccessKey":"` + secret + `\n"}`, err: "its SecretAccessKey has control characters"},
		"token of 2 lines":      {out: "{" + keys + `,"SessionToken":"` + secret + `\r\n"}`, err: "its session token has"},
		"a flood":               {out: "{" + keys + strings.Repeat(" ", 64<<10) + "}", err: "it printed more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := clock.NewMock()
			fake.Set(now)
			p := &process.Provider{Command: "helper --password " + secret, AccountID: "999999999999", Run: printing(test.out), Clock: fake}
			got, err := p.Retrieve(t.Context())
			canary.Check(t, secret, got)
			if test.err == "" {
				require.NoError(t, err)
				require.True(t, test.want.Expires.Equal(got.Expires), "%v", got.Expires)
				got.Expires = test.want.Expires
				require.Equal(t, test.want, got)
				return
			}
			require.ErrorContains(t, err, test.err)
			require.ErrorContains(t, err, "process: helper: ")
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent))
			require.Equal(t, stschain.Credentials{}, got)
			canary.Check(t, secret, err)
		})
	}
}

func TestCommandIsRequired(t *testing.T) {
	for _, p := range []*process.Provider{{}, {Command: " \t"}} {
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, "process: Command is empty")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.Equal(t, "process", fmt.Sprint(p))
	}
}

// Of a command only the program is shown.
func TestName(t *testing.T) {
	for command, want := range map[string]string{
		"helper":                             "process helper",
		" /opt/bin/helper --token " + secret: "process /opt/bin/helper",
		"'/opt/my bin/helper' " + secret:     "process /opt/my bin/helper",
		`"C:\Program Files\helper.exe" x`:    `process C:\Program Files\helper.exe`,
		"TOKEN=" + secret + " helper x":      "process helper",
		"A='x " + secret + "' B=2 helper":    "process helper",
		"TOKEN=" + secret:                    "process the command",
		"helper;echo " + secret:              "process helper",
		"helper|tee":                         "process helper",
		"'unended " + secret:                 "process unended",
		`TOKEN='it'\''s ` + secret + `' x`:   "process the command", // found by FuzzName, as are the next ones
		`TOKEN=a\ ` + secret + ` x`:          "process the command",
		"TOKEN='a " + secret + " x":          "process the command",
		"TOKEN=$(printf 'a " + secret + "')": "process the command",
		`C:\O'Brien\helper.exe ` + secret:    `process C:\O'Brien\helper.exe`,
		"hel\x1bper":                         "process hel per",
	} {
		p := &process.Provider{Command: command}
		require.Equal(t, want, fmt.Sprint(p))
	}
}

// The runner is given the command and a bound.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for timeout, want := range map[time.Duration]time.Duration{0: time.Minute, time.Second: time.Second} {
			p := &process.Provider{Command: "helper", Timeout: timeout, Run: func(ctx context.Context, command string) ([]byte, error) {
				if command != "helper" {
					t.Errorf("runs %q", command)
				}
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}}
			began := time.Now()
			_, err := p.Retrieve(t.Context())
			require.EqualError(t, err, "process: helper: it did not end within "+want.String())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, want, time.Since(began))
		}
	})
}

// Whatever a program prints, it can be used, or is an error that shows none of it.
func FuzzOutput(f *testing.F) {
	f.Add([]byte(`{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"` + secret + `","SessionToken":"t","Expiration":"2026-11-21T17:56:58Z","AccountId":"123456789012"}`))
	f.Add([]byte(`{"version":1,"accesskeyid":"a","SECRETACCESSKEY":"\ud800","x":[[[]]]}`))
	f.Add([]byte(" \ufeff{}"))
	f.Fuzz(func(t *testing.T, out []byte) {
		p := &process.Provider{Command: "helper", Run: printing(string(out)), Clock: clock.NewMock()}
		creds, err := p.Retrieve(t.Context())
		if err != nil {
			var said struct{ SecretAccessKey string }
			if json.Unmarshal(out, &said) == nil && len(said.SecretAccessKey) > 20 && strings.Contains(err.Error(), said.SecretAccessKey) {
				t.Fatalf("%q shows the secret", err)
			}
			return
		}
		if creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() {
			t.Fatalf("incomplete: %v", creds)
		}
		for _, s := range []string{creds.AccessKeyID, creds.SessionToken.Reveal(), creds.AccountID} {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("%q cannot be sent", s)
			}
		}
	})
}

// A program may complain for hours, of which the end is kept.
func TestComplains(t *testing.T) {
	require.Less(t, process.Kept(strings.Repeat("x", 32<<10), 1000), 1<<20)
}
