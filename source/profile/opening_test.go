package profile_test

import (
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

// refusing is a machine on which files cannot be opened, each for a reason of its own.
func refusing(disk files, refused map[string]error) func(string) (fs.File, error) {
	return func(path string) (fs.File, error) {
		if err := refused[path]; err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return disk.open(path)
	}
}

const config, credentials = "/home/.aws/config", "/home/.aws/credentials"

// A default file that was not named and cannot be opened is as if it did not exist, and the reason includes it.
// Reports: aws-sdk-go-v2#220, aws-sdk-java-v2#5754, async-aws#890.
func TestDefaultFileThatCannotBeOpened(t *testing.T) {
	for name, test := range map[string]struct {
		config, credentials error
		shown               string // of the config file
	}{
		"a directory of another user": {syscall.EACCES, syscall.EACCES, "(which cannot be opened: permission denied)"},
		"forbidden by a module":       {syscall.EPERM, nil, "(which cannot be opened: operation not permitted)"},
		"a directory":                 {syscall.EISDIR, syscall.ENOENT, "(which cannot be opened: is a directory)"},
		"missing":                     {syscall.ENOENT, syscall.EACCES, "(which does not exist)"},
		"below a file":                {syscall.ENOTDIR, syscall.ENOTDIR, "(which does not exist)"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_REGION": "eu-north-1"}.lookup}
			p.Open = refusing(files{}, map[string]error{config: test.config, credentials: test.credentials})
			_, err := p.Retrieve(t.Context())
			require.True(t, stschain.IsUnavailable(err), "%v", err)
			require.ErrorContains(t, err, config+" "+test.shown)

			// There are still the settings of the environment.
			client, err := p.Client(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, "eu-north-1", client.Region)
		})
	}
}

// Any other failure says nothing about the file: that this program has run out of descriptors, say, is not a reason to take
// another identity.
func TestFileThatFailsOtherwise(t *testing.T) {
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ESTALE, syscall.ELOOP, syscall.ENAMETOOLONG} {
		for _, path := range []string{config, credentials} {
			p := &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_REGION": "eu-north-1"}.lookup}
			p.Open = refusing(files{}, map[string]error{path: cause})
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, "profile: "+path+": "+cause.Error())
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			_, err = p.Client(t.Context(), nil)
			require.ErrorContains(t, err, cause.Error())
		}
	}
}

// Keys that can be read do not stand in for a role that may be named in a file that cannot.
func TestKeysBesideAFileThatCannotBeOpened(t *testing.T) {
	const keys = "[default]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s\n[dev]\naws_access_key_id = AKIDDEV\naws_secret_access_key = s\n"
	const settings = "[default]\nregion = eu-north-1\n[dev]\nregion = eu-north-1\n"
	for name, test := range map[string]struct {
		env     env
		disk    files
		refused string
		cause   error
		want    []string // none: not configured
	}{
		"keys, config denied":          {disk: files{credentials: keys}, refused: config, cause: syscall.EACCES, want: []string{config + ": cannot be opened: permission denied", "the profile default has aws_access_key_id in " + credentials, "AWS_CONFIG_FILE=" + os.DevNull}},
		"keys, config a directory":     {disk: files{credentials: keys}, refused: config, cause: syscall.EISDIR, want: []string{config + ": cannot be opened: is a directory"}},
		"a process, credentials":       {disk: files{config: "[default]\ncredential_process = keys"}, refused: credentials, cause: syscall.EPERM, want: []string{credentials + ": cannot be opened", "credential_process", "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull}},
		"settings":                     {disk: files{credentials: settings}, refused: config, cause: syscall.EACCES},
		"a named profile":              {env: env{"AWS_PROFILE": "dev"}, disk: files{credentials: keys}, refused: config, cause: syscall.EACCES, want: []string{"AWS_PROFILE names the profile \"dev\"", "permission denied"}},
		"a named profile, settings":    {env: env{"AWS_PROFILE": "dev"}, disk: files{credentials: settings}, refused: config, cause: syscall.EACCES, want: []string{"AWS_PROFILE", "permission denied"}},
		"a named profile, not there":   {env: env{"AWS_DEFAULT_PROFILE": "ops"}, disk: files{}, refused: config, cause: syscall.EACCES, want: []string{"AWS_DEFAULT_PROFILE", "permission denied"}},
		"the default one, by its name": {env: env{"AWS_PROFILE": "default"}, disk: files{}, refused: config, cause: syscall.EISDIR, want: []string{"AWS_PROFILE", "is a directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := env{"HOME": "/home"}
			for variable, value := range test.env {
				e[variable] = value
			}
			p := &profile.Provider{LookupEnv: e.lookup, Open: refusing(test.disk, map[string]error{test.refused: test.cause})}
			_, err := p.Retrieve(t.Context())
			require.Equal(t, test.want == nil, stschain.IsUnavailable(err), "%v", err)
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
				require.ErrorIs(t, err, stschain.ErrPermanent)
			}

			// The advice works: the file is done without when that is said.
			if test.refused == config && test.disk[credentials] == keys {
				e["AWS_CONFIG_FILE"] = os.DevNull
				_, err = p.Retrieve(t.Context())
				require.NoError(t, err)
			}
		})
	}
}

// A file that a variable names is meant to be there: whatever is wrong with it is an error, even if the
// other file has credentials.
func TestNamedFileThatCannotBeOpened(t *testing.T) {
	const keys = "[default]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s\n"
	for _, cause := range []error{syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.EPERM, syscall.EISDIR, syscall.EMFILE} {
		for variable, other := range map[string]string{"AWS_CONFIG_FILE": credentials, "AWS_SHARED_CREDENTIALS_FILE": config} {
			for _, disk := range []files{{}, {other: keys}} {
				p := &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_REGION": "eu-north-1", variable: "/etc/aws.ini"}.lookup}
				p.Open = refusing(disk, map[string]error{"/etc/aws.ini": cause})
				_, err := p.Retrieve(t.Context())
				require.ErrorContains(t, err, "profile: /etc/aws.ini ("+variable+"): ")
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				_, err = p.Client(t.Context(), nil)
				require.ErrorContains(t, err, "/etc/aws.ini")
			}
		}
	}
}

// A file that comes to be readable is read, and one that ceases to be is not taken for what it was.
func TestFileThatIsOpenedLater(t *testing.T) {
	const keys = "[default]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s\n"
	disk, refused := files{}, map[string]error{config: syscall.EACCES}
	p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: refusing(disk, refused)}
	retrieve := func() error { _, err := p.Retrieve(t.Context()); return err }
	require.True(t, stschain.IsUnavailable(retrieve()))
	disk[credentials] = keys
	require.ErrorContains(t, retrieve(), "cannot be opened")
	refused[config] = syscall.ENOENT
	require.NoError(t, retrieve())
	refused[config] = syscall.EACCES
	require.ErrorContains(t, retrieve(), "cannot be opened")
	delete(refused, config)
	require.NoError(t, retrieve())
}
