package clients_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// laptop is a home directory with a default profile of other keys, and a profile with a role.
type laptop struct {
	sts  *ststest.Server
	home string
}

func newLaptop(t *testing.T) *laptop {
	l := &laptop{ststest.NewTest(t), t.TempDir()}
	l.sts.Lifetime = 40 * time.Second // the server below exec refreshes them from a quarter of that on
	user := l.sts.User().Credentials
	l.write(t, "credentials", "[default]\naws_access_key_id = AKIAOTHERKEYSXXXXXX\naws_secret_access_key = other\n"+
		"[base]\naws_access_key_id = "+user.AccessKeyID+"\naws_secret_access_key = "+user.SecretAccessKey.Reveal()+"\n")
	boto := "[Credentials]\naws_access_key_id = AKIAOTHERKEYSXXXXXX\naws_secret_access_key = other\n" // of boto, and botocore
	require.NoError(t, os.WriteFile(filepath.Join(l.home, ".boto"), []byte(boto), 0o600))
	l.write(t, "config", "[default]\nregion = us-east-2\naws_access_key_id = AKIAOTHERKEYSXXXXXX\naws_secret_access_key = other\n"+
		"[profile served]\nrole_arn = arn:aws:iam::123456789012:role/served\nrole_session_name = clients\nsource_profile = base\nregion = eu-west-1\n")
	return l
}

func (l *laptop) write(t *testing.T, name, text string) {
	require.NoError(t, os.MkdirAll(filepath.Join(l.home, ".aws"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(l.home, ".aws", name), []byte(text), 0o600))
}

// below returns the command that runs a client, and its variables.
func (l *laptop) below(t *testing.T, flags []string, client ...string) (command, vars []string) {
	built, err := programs()
	require.NoError(t, err)
	command = append([]string{built["stschain"][0], "exec", "-profile", "served"}, append(append(flags, "--"), client...)...)
	return command, []string{"HOME=" + l.home, "AWS_ENDPOINT_URL_STS=" + l.sts.URL(), "AWS_PROFILE=default", "AWS_REGION=", "AWS_DEFAULT_REGION="}
}

// refreshed waits until a client has used credentials of three sessions of the role. next returns what the client
// prints, which begins with the key ID.
func (l *laptop) refreshed(t *testing.T, next func() string) {
	used := map[string]bool{}
	for deadline := time.Now().Add(5 * time.Minute); len(used) < 3; {
		id, _, _ := strings.Cut(next(), " ")
		caller, ok := l.sts.Caller(id)
		require.True(t, ok, "credentials of another place: %s", id)
		require.Equal(t, "arn:aws:sts::123456789012:assumed-role/served/clients", caller.ARN)
		used[id] = true
		require.True(t, time.Now().Before(deadline), "no refresh")
		<-time.After(time.Second)
	}
}

// TestExec runs real clients below stschain exec, with a default profile of other keys in the home directory.
func TestExec(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	loop := func(l *laptop, aws string) []string {
		return []string{"sh", "-c", `while read line; do "` + aws + `" sts get-caller-identity --endpoint-url ` + l.sts.URL() + ` --query Arn --output text || exit; done`}
	}
	for name, client := range map[string]func(t *testing.T, l *laptop) []string{
		"boto3": func(t *testing.T, l *laptop) []string {
			return []string{boto3(t), "testdata/boto3_client.py", l.sts.URL()}
		},
		"JavaScript": func(t *testing.T, _ *laptop) []string {
			return []string{"node", javaScript(t), "fromNodeProviderChain"}
		},
		"aws-sdk-go-v2": func(*testing.T, *laptop) []string { return []string{self, "-child-of-exec"} },
		"awscli": func(t *testing.T, l *laptop) []string {
			return loop(l, named(t, "STSCHAIN_AWSCLI", "aws; apt-get install awscli has one"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLaptop(t)
			command, vars := l.below(t, nil, client(t, l)...)
			s := start(t, vars, command[0], command[1:]...)
			l.refreshed(t, func() string {
				printed := s.next()
				if name != "awscli" {
					return printed
				}
				require.Equal(t, "arn:aws:sts::123456789012:assumed-role/served/clients", printed)
				calls := l.sts.Calls()
				for i := len(calls) - 1; ; i-- {
					if calls[i].Operation == "GetCallerIdentity" {
						return calls[i].AccessKeyID
					}
				}
			})
		})
	}
}

// TestExecEnv runs curl with the keys that -env sets, which it signs with by itself.
func TestExecEnv(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	l := newLaptop(t)
	command, vars := l.below(t, []string{"-env", "-no-cache"}, "sh", "-c", `exec "`+curl+`" -sS --fail-with-body --noproxy '*' --aws-sigv4 "aws:amz:$AWS_REGION:sts" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" `+
		`-H "X-Amz-Security-Token: $AWS_SESSION_TOKEN" -d 'Action=GetCallerIdentity&Version=2011-06-15' `+l.sts.URL())
	used := map[string]bool{}
	for range 3 {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Env = environment(t, vars...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "<Arn>arn:aws:sts::123456789012:assumed-role/served/clients</Arn>")
		used[l.sts.Calls()[len(l.sts.Calls())-1].AccessKeyID] = true
	}
	require.Len(t, used, 3, "a session for each run")
}

// sdkForGo is a client of aws-sdk-go-v2 that prints the key ID for each line that it reads.
func sdkForGo() error {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := sts.NewFromConfig(cfg)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if _, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
			return err
		}
		creds, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return err
		}
		fmt.Println(creds.AccessKeyID)
		cfg.Credentials.(*aws.CredentialsCache).Invalidate() // it would use up what it has
	}
	return nil
}
