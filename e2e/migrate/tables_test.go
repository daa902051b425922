package migrate_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pages are the pages of docs/migrate, each with the packages that its tables cover.
var pages = map[string]page{
	"aws-sdk-go.md": {
		root: "github.com/aws/aws-sdk-go/",
		complete: []string{
			"aws/credentials", "aws/credentials/ec2rolecreds", "aws/credentials/endpointcreds", "aws/credentials/plugincreds", "aws/credentials/processcreds",
			"aws/credentials/ssocreds", "aws/credentials/stscreds", "aws/defaults", "aws/session", "aws/signer/v4", "service/sts",
		},
		other: []string{"aws", "aws/awserr", "aws/request"},
		members: []string{
			"ec2rolecreds.EC2RoleProvider", "endpointcreds.Provider", "processcreds.ProcessProvider", "ssocreds.Provider", "stscreds.AssumeRoleProvider",
			"stscreds.WebIdentityRoleProvider", "session.Options", "v4.Signer", "credentials.Credentials", "sts.STS",
		},
	},
	"aws-sdk-go-v2.md": {
		root: "github.com/aws/aws-sdk-go-v2/",
		complete: []string{
			"aws/signer/v4", "config", "credentials", "credentials/ec2rolecreds", "credentials/endpointcreds", "credentials/logincreds", "credentials/processcreds",
			"credentials/ssocreds", "credentials/stscreds", "service/sts", "service/sts/types",
		},
		other: []string{"aws"},
		members: []string{
			"aws.CredentialsCache", "aws.CredentialsCacheOptions", "aws.Credentials", "ec2rolecreds.Options", "endpointcreds.Options", "logincreds.Options",
			"processcreds.Options", "ssocreds.Options", "stscreds.AssumeRoleOptions", "stscreds.WebIdentityRoleOptions", "sts.Client", "sts.PresignClient",
			"sts.Options", "v4.Signer", "v4.SignerOptions",
		},
		names: regexp.MustCompile(`^aws\.\w*(Credential|Anonymous)\w*$`),
	},
	"minio-go.md": {
		root:     "github.com/minio/minio-go/v7/",
		complete: []string{"pkg/credentials", "pkg/signer"},
		members: []string{
			"credentials.Credentials", "credentials.CredContext", "credentials.CustomTokenIdentity", "credentials.IAM", "credentials.LDAPIdentity",
			"credentials.STSAssumeRoleOptions", "credentials.STSCertificateIdentity", "credentials.STSWebIdentity", "credentials.WebIdentityToken",
		},
	},
}

type page struct {
	root     string         // of the paths below
	complete []string       // packages of which the tables name everything exported, except methods and fields
	other    []string       // packages of which they may name something
	members  []string       // types of which they name each method and field
	names    *regexp.Regexp // more that they name; nil: nothing
}

// ours are the packages of this library that the pages name.
var ours = []string{
	"", "assumerole", "federation", "minio", "proof", "saml", "serve", "sessiontoken", "sigv4", "source", "source/container", "source/env", "source/imds",
	"source/login", "source/process", "source/profile", "source/sso", "stsquery", "ststest", "webidentity",
	"adapter/awssdk", "adapter/miniosts", "grants/s3express", "grants/accessgrants",
}

var (
	row  = regexp.MustCompile(`^\| (.+?) \| (.+?) \| (.*?) ?\|$`)
	span = regexp.MustCompile("`[^`]+`")
	name = regexp.MustCompile(`\b([a-z]\w*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
)

// TestTables checks that the left column of the tables names what the other library exports, all of it, and the middle column
// what this one does.
func TestTables(t *testing.T) {
	here := exported(t, "github.com/stschain-go/stschain/", ours)
	for file, p := range pages {
		t.Run(file, func(t *testing.T) {
			there, want := exported(t, p.root, p.complete), map[string]bool{}
			for id := range there {
				want[id] = strings.Count(id, ".") == 1
			}
			maps.Copy(there, exported(t, p.root, p.other))
			for id := range there {
				owner, _, _ := cutLast(id)
				if slices.Contains(p.members, owner) || p.names != nil && p.names.MatchString(id) {
					want[id] = true
				}
			}
			named := map[string]bool{}
			for _, r := range rows(t, file) {
				for _, id := range identifiers(r[1]) {
					require.True(t, there[id] || standard(id), "%s is not exported: %s", id, r[0])
					require.False(t, named[id] && want[id], "%s is in two rows: %s", id, r[0])
					named[id] = true
				}
				for _, id := range identifiers(r[2]) {
					require.True(t, here[id] || standard(id), "%s is not exported: %s", id, r[0])
				}
				for _, id := range identifiers(r[3]) {
					require.True(t, here[id] || there[id] || standard(id), "%s is not exported: %s", id, r[0])
				}
			}
			var missing []string
			for id, wanted := range want {
				if wanted && !named[id] {
					missing = append(missing, id)
				}
			}
			slices.Sort(missing)
			require.Empty(t, missing, "%s has no row for:\n%s", file, strings.Join(missing, "\n"))
		})
	}
}

// rows are the rows of the tables of counterparts, each with its three cells.
func rows(t *testing.T, file string) (found [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "migrate", file))
	require.NoError(t, err)
	within := false
	for line := range strings.Lines(string(text)) {
		cells := row.FindStringSubmatch(strings.TrimSpace(line))
		switch {
		case strings.HasPrefix(line, "|---"):
		case cells == nil:
			within = false
		case cells[2] == "here" && cells[3] == "what changes":
			within = true
		case within:
			found = append(found, cells)
		}
	}
	require.NotEmpty(t, found)
	return found
}

// identifiers are the qualified names in the code of a cell.
func identifiers(cell string) (found []string) {
	for _, code := range span.FindAllString(cell, -1) {
		for _, m := range name.FindAllStringSubmatch(code, -1) {
			id := m[1] + "." + m[2]
			if m[3] != "" {
				id += "." + m[3]
			}
			found = append(found, id)
		}
	}
	return found
}

// standard reports whether a name is of a package of the standard library.
func standard(id string) bool {
	pkg, _, _ := strings.Cut(id, ".")
	return slices.Contains([]string{"context", "errors", "exec", "http", "log", "os", "slog", "strings", "time", "tls"}, pkg)
}

func cutLast(id string) (before, after string, found bool) {
	i := strings.LastIndexByte(id, '.')
	if i < 0 {
		return id, "", false
	}
	return id[:i], id[i+1:], true
}
