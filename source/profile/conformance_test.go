package profile_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/profile"
)

type properties map[string]map[string]string

func TestConformance(t *testing.T) {
	dir := conformance.Dir(t)
	t.Run("profile-files", func(t *testing.T) { profileFiles(t, dir) })
	t.Run("file-locations", func(t *testing.T) { fileLocations(t, dir) })
	t.Run("endpoint-urls", func(t *testing.T) { endpointURLs(t, dir) })
	t.Run("assume-role-profiles", func(t *testing.T) { assumeRoleProfiles(t, dir) })
}

func profileFiles(t *testing.T, dir string) {
	var suite struct {
		Tests []struct {
			Name   string
			Input  struct{ ConfigFile, CredentialsFile string }
			Output struct {
				ErrorContaining string
				Config          struct {
					Profiles    properties
					SSOSessions properties `json:"sso_sessions"`
				}
			}
		}
	}
	load(t, filepath.Join(dir, "profile-files", "profile-parser-tests.json"), &suite)
	require.Len(t, suite.Tests, 65)
	for _, tt := range suite.Tests {
		t.Run(tt.Name, func(t *testing.T) {
			files, err := profile.Parse(tt.Input.ConfigFile, tt.Input.CredentialsFile)
			if want := tt.Output.ErrorContaining; want != "" {
				require.Error(t, err)
				require.Contains(t, strings.ToLower(err.Error()), strings.ToLower(want))
				return
			}
			require.NoError(t, err)
			require.Equal(t, slices.Sorted(maps.Keys(tt.Output.Config.Profiles)), slices.Sorted(slices.Values(files.Profiles())))
			for name, want := range tt.Output.Config.Profiles {
				require.Equal(t, want, values(files.Profile(name)), name)
			}
			for name, want := range tt.Output.Config.SSOSessions {
				require.Equal(t, want, values(files.SSOSession(name)), name)
			}
		})
	}
}

func values(s profile.Section) map[string]string {
	all := map[string]string{}
	for _, key := range s.Keys() {
		all[key] = s.Value(key).Reveal()
	}
	return all
}

func fileLocations(t *testing.T, dir string) {
	var suite struct {
		Tests []struct {
			Name, Platform, Profile             string
			ConfigLocation, CredentialsLocation string
			Environment                         map[string]string
		}
	}
	load(t, filepath.Join(dir, "profile-files", "file-location-tests.json"), &suite)
	require.Len(t, suite.Tests, 9)
	for _, tt := range suite.Tests {
		t.Run(tt.Name, func(t *testing.T) {
			p := &profile.Provider{LookupEnv: env(tt.Environment).lookup}
			config, credentials := p.Locate(tt.Platform)
			require.Equal(t, tt.ConfigLocation, config)
			require.Equal(t, tt.CredentialsLocation, credentials)
			if tt.Profile != "" {
				require.Equal(t, tt.Profile, p.Selected())
			}
		})
	}
}

func endpointURLs(t *testing.T, dir string) {
	type client struct {
		EndpointURL string `json:"endpoint_url"`
		Ignore      bool   `json:"ignore_configured_endpoint_urls"`
	}
	var suites struct {
		TestSuites []struct {
			Profiles      properties
			Services      map[string]properties
			ClientConfigs map[string]client `json:"client_configs"`
			Environments  map[string]map[string]string
			Tests         []struct {
				Name, Profile, Environment, Service string
				ClientConfig                        string `json:"client_config"`
				Output                              struct{ EndpointURL string }
			} `json:"endpointUrlTests"`
		}
	}
	load(t, filepath.Join(dir, "endpoints", "configured-endpoint-urls.json"), &suites)
	require.Len(t, suites.TestSuites, 1)
	suite := suites.TestSuites[0]
	require.Len(t, suite.Tests, 39)
	config := new(strings.Builder)
	write(config, "profile", suite.Profiles)
	for name, services := range suite.Services {
		fmt.Fprintf(config, "[services %s]\n", name)
		for service, settings := range services {
			fmt.Fprintf(config, "%s =\n", service)
			for key, value := range settings {
				fmt.Fprintf(config, "  %s = %s\n", key, value)
			}
		}
	}
	for _, tt := range suite.Tests {
		t.Run(tt.Name, func(t *testing.T) {
			client := suite.ClientConfigs[tt.ClientConfig]
			variables := maps.Clone(suite.Environments[tt.Environment])
			variables["HOME"] = "/home"
			p := &profile.Provider{
				Profile: tt.Profile, LookupEnv: env(variables).lookup, Open: files{"/home/.aws/config": config.String()}.open,
				Endpoint: client.EndpointURL, IgnoreConfiguredEndpoints: client.Ignore,
			}
			got, err := p.EndpointURL(t.Context(), tt.Service)
			require.NoError(t, err)
			if tt.Service != "sts" && client.EndpointURL != "" {
				got = client.EndpointURL // there are only clients of STS here, and others are given theirs
			}
			if got == "" {
				got = "https://" + tt.Service + ".fake-region-10.amazonaws.com" // what the service's own rules say
			}
			require.Equal(t, tt.Output.EndpointURL, got)
		})
	}
}

// ourWords are what our errors say where the vectors have another library's.
var ourWords = map[string]string{
	"profile must contain `source_profile`":                                                       "the credentials that assume the role are missing",
	"profile contained both source_profile and credential_source":                                 "source_profile: credential_source is set as well",
	"profile missing aws_secret_access_key":                                                       "aws_secret_access_key is missing",
	"profile missing aws_access_key_id":                                                           "aws_access_key_id is missing",
	"profile `B` did not contain credential information":                                          "[profile B]: the profile has no credentials",
	"profile `A` did not contain credential information":                                          "[profile A]: Provider.Profile names this profile, and it has no credentials",
	"could not find source profile B referenced from A":                                           `[profile A] source_profile: there is no profile "B"`,
	"No profiles were defined":                                                                    `Provider.Profile names the profile "A", which is not in`,
	"profile formed an infinite loop":                                                             "form a cycle: A -> B -> A",
	"`role_arn` was missing":                                                                      "role_arn is missing",
	"if `sso_role_name` is set, then `sso_account_id` must also be set":                           "only one of sso_account_id and sso_role_name is set",
	"if `sso_account_id` is set, then `sso_role_name` must also be set":                           "only one of sso_account_id and sso_role_name is set",
	"`sso_region` can only be specified in the [sso-session] config when a session name is given": "sso_region",
	"sso-session named `oops` (referenced by profile `A`) was not found":                          "sso_session: there is no [sso-session oops]",
}

func assumeRoleProfiles(t *testing.T, dir string) {
	var suite []struct {
		Docs  string
		Input struct {
			Profiles    properties
			Selected    string     `json:"selected_profile"`
			SSOSessions properties `json:"sso_sessions"`
		}
		Output struct {
			ProfileChain []map[string]any
			Error        string
		}
	}
	load(t, filepath.Join(dir, "default-chain", "assume-role-tests.json"), &suite)
	require.Len(t, suite, 28)
	for _, tt := range suite {
		t.Run(tt.Docs, func(t *testing.T) {
			config := new(strings.Builder)
			write(config, "profile", tt.Input.Profiles)
			write(config, "sso-session", tt.Input.SSOSessions)
			p := &profile.Provider{
				Profile: tt.Input.Selected, LookupEnv: env{"HOME": "/home"}.lookup, Open: files{"/home/.aws/config": config.String()}.open,
			}
			steps, err := p.Steps(t.Context())
			if tt.Output.Error != "" {
				require.Contains(t, ourWords, tt.Output.Error)
				require.ErrorContains(t, err, ourWords[tt.Output.Error])
				return
			}
			require.NoError(t, err)
			require.Len(t, steps, len(tt.Output.ProfileChain))
			for i, want := range tt.Output.ProfileChain {
				require.Equal(t, plain(want), steps[i])
			}
		})
	}
}

// plain makes a step of the vectors one of ours: a name alone becomes a field.
func plain(step map[string]any) map[string]map[string]string {
	all := map[string]map[string]string{}
	for kind, value := range step {
		all[kind] = map[string]string{}
		switch v := value.(type) {
		case string:
			all[kind]["name"] = v
		case map[string]any:
			for key, value := range v {
				all[kind][key] = value.(string)
			}
		}
	}
	return all
}

func write(to *strings.Builder, kind string, sections properties) {
	for name, section := range sections {
		fmt.Fprintf(to, "[%s %s]\n", kind, name)
		for key, value := range section {
			fmt.Fprintf(to, "%s = %s\n", key, value)
		}
	}
}

func load(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, into))
}
