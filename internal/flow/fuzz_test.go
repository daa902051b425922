package flow_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stschain-go/stschain/internal/flow"
)

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// FuzzSessionName: whatever the program and the host are called, STS takes the name.
func FuzzSessionName(f *testing.F) {
	f.Add("/usr/bin/backup", "web-1.example")
	f.Add(`C:\Program Files\größe.exe`, "höst")
	f.Add("..", ".")
	f.Add("\xff/", strings.Repeat("ü", 64))
	f.Fuzz(func(t *testing.T, program, host string) {
		if got := flow.MakeSessionName(program, host); !sessionName.MatchString(got) || strings.Count(got, "@") != 1 {
			t.Fatalf("%q at %q is %q", program, host, got)
		}
	})
}

// FuzzSession: the ARN that STS returns is a session of the role, whatever its path and its partition,
// and one of another account or another name is not.
func FuzzSession(f *testing.F) {
	f.Add("aws", "123456789012", "team/sub/", "backup", "session")
	f.Add("aws-cn", "000000000001", "", "r", "a@b")
	f.Add("aws-us-gov", "", "/", "R,x", "")
	f.Add("aws", "sts", "", "r", "s")
	f.Fuzz(func(t *testing.T, partition, account, path, name, session string) {
		if !strings.HasPrefix(partition, "aws") || strings.Contains(partition+account, ":") || strings.ContainsAny(name+session, "/") || name == "" || path != "" && !strings.HasSuffix(path, "/") {
			return
		}
		role := "arn:" + partition + ":iam::" + account + ":role/" + path + name
		given := "arn:" + partition + ":sts::" + account + ":assumed-role/" + name + "/" + session
		if err := flow.CheckSession(role, given); err != nil {
			t.Fatalf("%s of %s: %v", given, role, err)
		}
		if withPath := strings.Replace(given, "assumed-role/", "assumed-role/"+path, 1); flow.CheckSession(role, withPath) != nil {
			t.Fatalf("%s of %s is refused", withPath, role)
		}
		if partition != "aws" && !strings.HasPrefix(partition, "aws-") {
			return // no partition of AWS, so nothing is known of its ARNs
		}
		if flow.CheckSession(role, "arn:"+partition+":sts::"+account+":assumed-role/"+name+"x/"+session) == nil {
			t.Fatalf("another name passes for %s", role)
		}
		if account != "" && flow.CheckSession(role, "arn:"+partition+":sts::"+account+"0:assumed-role/"+name+"/"+session) == nil {
			t.Fatalf("another account passes for %s", role)
		}
		if got := flow.AccountID(given); got != "" && got != account {
			t.Fatalf("the account of %s is %s", given, got)
		}
	})
}
