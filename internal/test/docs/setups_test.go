package docs_test

import (
	"testing"

	"github.com/stschain-go/stschain/ststest"
)

// setups provide, by page, what its commands need.
var setups = map[string]func(t *testing.T, s *shell){
	"README.md": readme,
}

// elsewhere are commands that do not run here, with the file that runs them: they take minutes, or would run this test.
var elsewhere = map[string]string{
	"go run ./examples/quickstart": ".ci/check",
	"go test ./...":                ".ci/check",
}

// sts is an STS for the commands of a page, with the keys of its user in the environment.
func sts(t *testing.T, s *shell) *ststest.Server {
	t.Helper()
	server := ststest.NewTest(t)
	keys := server.User().Credentials
	s.env = append(s.env, "AWS_REGION=eu-west-1", "AWS_ENDPOINT_URL_STS="+server.URL(),
		"AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey.Reveal())
	return server
}

func readme(t *testing.T, s *shell) {
	sts(t, s)
}
