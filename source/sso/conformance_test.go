package sso_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/sso"
)

// TestConformance runs the token files of aws-sdk-go-v2. Their region is called region.
func TestConformance(t *testing.T) {
	snapshots(t)
	fileNames(t)
	dir := filepath.Join(conformance.Dir(t), "files", "sso")
	for file, want := range map[string]struct{ token, err string }{
		"valid_token.json":          {token: "dGhpcyBpcyBub3QgYSByZWFsIHZhbHVl"},
		"non_utc_token.json":        {token: "dGhpcyBpcyBub3QgYSByZWFsIHZhbHVl"},
		"expired_token.json":        {token: "renewed"},
		"invalid_json.json":         {err: "not a JSON object"},
		"missing_accessToken.json":  {err: "it has no accessToken"},
		"missing_clientId.json":     {err: "it has no clientId"},
		"missing_clientSecret.json": {err: "it has no clientSecret"},
		"missing_expiresAt.json":    {err: "it has no expiresAt"},
		"missing_refreshToken.json": {err: "it has no refreshToken"},
	} {
		t.Run("sso-files/"+file, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			w := newWorld(t, string(content))
			w.Region = "region"
			w.service.valid = want.token
			w.service.oidc = status(200, `{"accessToken":"renewed","expiresIn":28800}`)
			creds, err := w.Retrieve(t.Context())
			if want.err != "" {
				require.ErrorContains(t, err, want.err)
				require.ErrorContains(t, err, "run aws sso login --sso-session work")
				require.ErrorIs(t, err, stschain.ErrPermanent)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "ASIAROLE", creds.AccessKeyID)
			doc := w.read(t)
			require.Equal(t, want.token, doc["accessToken"])
			require.Equal(t, "some value", doc["unknownField"])
			require.Equal(t, "refresh token", doc["refreshToken"])
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 9)
}

// fileNames compares the names of token and registration files with those of the AWS CLI.
func fileNames(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(conformance.Dir(t), "cli-cache", "cache-key-vectors.json"))
	require.NoError(t, err)
	var vectors []struct{ Kind, Hashed, File string }
	require.NoError(t, json.Unmarshal(content, &vectors))
	for _, v := range vectors {
		if !strings.HasPrefix(v.Kind, "sso client") && !strings.HasPrefix(v.Kind, "sso token") {
			continue
		}
		t.Run("file-names/"+v.File, func(t *testing.T) {
			name := v.Hashed
			if strings.HasPrefix(v.Kind, "sso client") {
				var in struct {
					Region   string
					Scopes   []string
					Session  string `json:"session_name"`
					StartURL string `json:"startUrl"`
				}
				require.NoError(t, json.Unmarshal([]byte(v.Hashed), &in))
				name = sso.RegistrationName(in.Region, in.StartURL, in.Session, in.Scopes)
				require.Equal(t, v.Hashed, name)
			}
			path, err := sso.CachePath("", name)
			require.NoError(t, err)
			require.Equal(t, v.File, filepath.Base(path))
		})
	}
}
