package profile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/profile"
)

func TestDidYouMean(t *testing.T) {
	on := files{"/home/.aws/config": "[profile dev-eu]\n[profile production]\n"}
	for name, want := range map[string]string{
		"prod": "production", "production-eu": "production", "Production": "production", "prodution": "production", "porduction": "production",
		"dev_eu": "dev-eu", "staging": "", "evd-eu": "",
	} {
		_, err := (&profile.Provider{Profile: name, Home: "/home", LookupEnv: env{}.lookup, Open: on.open}).Retrieve(t.Context())
		require.ErrorContains(t, err, name)
		if want == "" {
			require.NotContains(t, err.Error(), "did you mean")
		} else {
			require.ErrorContains(t, err, `; did you mean "`+want+`"?`)
		}
	}
}
