package samlverify_test

import (
	"context"
	"encoding/base64"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/stsquery"
)

// A response that crewjam's identity provider signed is exchanged at a moto.
func TestMoto(t *testing.T) {
	endpoint := os.Getenv("STSCHAIN_MOTO_URL")
	if endpoint == "" {
		t.Skip("STSCHAIN_MOTO_URL names no moto server; .ci/run starts one")
	}
	_, response := started(t)
	p := &saml.Provider{
		Client: &stsquery.Client{Region: "us-east-1", Endpoint: endpoint},
		Assertion: func(context.Context) (stschain.Secret, error) {
			return stschain.NewSecret(base64.StdEncoding.EncodeToString(response)), nil
		},
	}
	creds, err := stschain.Cached(p).Retrieve(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, creds.AccessKeyID)
	require.Greater(t, time.Until(creds.Expires), 10*time.Minute)
}
