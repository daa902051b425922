package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/profile"
)

func lookupIn(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

func TestConfigFile(t *testing.T) {
	for name, test := range map[string]struct {
		goos, want string
		env        map[string]string
	}{
		"home":                {"linux", "/h/.aws/config", map[string]string{"HOME": "/h"}},
		"home with a slash":   {"linux", "/h/.aws/config", map[string]string{"HOME": " /h/ "}},
		"no home":             {"linux", "", map[string]string{"USERPROFILE": "/u", "HOMEDRIVE": "C:", "HOMEPATH": `\u`}},
		"named":               {"linux", "/c", map[string]string{"HOME": "/h", "AWS_CONFIG_FILE": " /c "}},
		"blank name":          {"linux", "/h/.aws/config", map[string]string{"HOME": "/h", "AWS_CONFIG_FILE": " "}},
		"tilde":               {"linux", "/h/c", map[string]string{"HOME": "/h", "AWS_CONFIG_FILE": "~/c"}},
		"tilde alone":         {"linux", "/h", map[string]string{"HOME": "/h", "AWS_CONFIG_FILE": "~"}},
		"tilde without home":  {"linux", "", map[string]string{"AWS_CONFIG_FILE": "~/c"}},
		"other user":          {"linux", "~bob/c", map[string]string{"HOME": "/h", "AWS_CONFIG_FILE": "~bob/c"}},
		"backslash":           {"linux", `~\c`, map[string]string{"HOME": "/h", "AWS_CONFIG_FILE": `~\c`}},
		"Windows":             {"windows", `C:\u\.aws\config`, map[string]string{"USERPROFILE": `C:\u`, "HOMEDRIVE": "D:", "HOMEPATH": `\d`}},
		"Windows, HOME":       {"windows", `C:\h\.aws\config`, map[string]string{"HOME": `C:\h\`, "USERPROFILE": `C:\u`}},
		"Windows, drive":      {"windows", `D:\d\.aws\config`, map[string]string{"HOMEDRIVE": "D:", "HOMEPATH": `\d`}},
		"Windows, tilde":      {"windows", `C:\u\c`, map[string]string{"USERPROFILE": `C:\u`, "AWS_CONFIG_FILE": `~\c`}},
		"Windows, with slash": {"windows", `D:\d/c`, map[string]string{"HOMEDRIVE": "D:", "HOMEPATH": `\d`, "AWS_CONFIG_FILE": "~/c"}},
	} {
		c := &call{lookupEnv: lookupIn(test.env)}
		require.Equal(t, test.want, c.configFileOn(test.goos), name)
	}
}

// The command and package profile read the same file.
func TestConfigFileIsThatOfProfiles(t *testing.T) {
	home := t.TempDir()
	for name, env := range map[string]map[string]string{
		"home":  {"HOME": home},
		"slash": {"HOME": " " + home + string(filepath.Separator) + " "},
		"tilde": {"HOME": home, "AWS_CONFIG_FILE": "~/c"},
		"named": {"HOME": home, "AWS_CONFIG_FILE": " " + filepath.Join(home, "named") + " "},
	} {
		if runtime.GOOS == "windows" {
			env["USERPROFILE"] = env["HOME"]
			delete(env, "HOME")
		}
		c := &call{lookupEnv: lookupIn(env)}
		path := c.configFile()
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("[default]\nregion = eu-north-1\n"), 0o600))
		client, err := (&profile.Provider{LookupEnv: c.lookupEnv}).Client(t.Context(), nil)
		require.NoError(t, err, name)
		require.Equal(t, "eu-north-1", client.Region, name)
		require.NoError(t, os.Remove(path))
	}
}
