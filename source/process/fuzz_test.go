package process_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stschain-go/stschain/source/process"
)

// FuzzName: what names the program holds nothing of a variable that the command sets, however
// the shell gets its value, and nothing of the arguments.
func FuzzName(f *testing.F) {
	for _, value := range []string{"hunter4711 canary", "it's canary", `back\slash canary`, "\"$HOME\" `id` canary", "a;b|c&d canary", "=canary"} {
		f.Add(value, "/usr/local/bin/helper")
	}
	f.Add("canary canary", "'")
	f.Fuzz(func(t *testing.T, value, program string) {
		const canary = "canary-4711"
		if strings.ContainsAny(program, "\\$`(){}<>") || strings.ContainsAny(value, "\n\x00") {
			return // no name of a program; and no value of a variable that is on one line
		}
		value = strings.ReplaceAll(value, "canary", canary)
		single := "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		double := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`
		bare := "\"\"" // and each character on its own
		for _, r := range value {
			bare += `\` + string(r)
		}
		for _, quoted := range []string{single, double, bare, "$(printf %s " + single + ")"} {
			command := "TOKEN=" + quoted + " " + program + " --password " + single
			if strings.Count(program, "'")%2 != 0 || strings.Count(program, `"`)%2 != 0 {
				command = "TOKEN=" + quoted + " helper"
			}
			p := &process.Provider{Command: command, Run: func(context.Context, string) ([]byte, error) { return nil, errors.New("exit status 1") }}
			_, err := p.Retrieve(t.Context())
			for _, said := range []string{p.String(), err.Error()} {
				if strings.Contains(said, canary) || len(said) > 300+len(" ...") || strings.ContainsAny(said, "\n\x1b") {
					t.Fatalf("%s is %q", command, said)
				}
			}
		}
	})
}

// FuzzStderr: what a program says when it fails is shown without what it also printed as its
// result, and without the secrets that it names.
func FuzzStderr(f *testing.F) {
	f.Add("cannot log in: ", "", "")
	f.Add("SecretAccessKey: ", "\n", "x")
	f.Add("export AWS_SECRET_ACCESS_KEY=", " # no\r\n", `{"SecretAccessKey":"`)
	f.Add(`"sessionToken" : "`, `"`, "\x1b[2J\xff")
	f.Fuzz(func(t *testing.T, before, after, stdout string) {
		for _, printed := range []string{stdout + " " + secret + " ", "{\"SecretAccessKey\": \"" + secret + "\"}"} {
			said := process.Said(before+secret+after, printed)
			if strings.Contains(said, secret) || len(said) > 2*1024 || strings.ContainsAny(said, "\n\r\x1b") {
				t.Fatalf("%q and %q: %q", before, after, said)
			}
		}
		for _, name := range []string{"SecretAccessKey=", "aws_secret_access_key = ", `"SessionToken": "`} {
			if said := process.Said(strings.ReplaceAll(before, "\n", " ")+name+secret, ""); strings.Contains(said, secret) {
				t.Fatalf("%q: %q", before+name, said)
			}
		}
	})
}
