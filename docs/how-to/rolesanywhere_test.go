package howto_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/rolesanywhere"
)

// The code of rolesanywhere.md is compiled, and not run.
var _ = []any{onPremises, expires}

func onPremises(store shared.Store, keys []stschain.Secret, namingKey stschain.Secret, readPIN func() (string, error), openToken func(pin string) (crypto.Signer, error)) []any {
	role := &rolesanywhere.Provider{
		TrustAnchorARN:  "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b",
		ProfileARN:      "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d",
		RoleARN:         "arn:aws:iam::123456789012:role/backup",
		CertificateFile: "/etc/pki/worker.pem",
		ChainFile:       "/etc/pki/chain.pem", // optional
		KeyFile:         "/etc/pki/worker-key.pem",
	}
	creds := &stschain.Cache{Provider: role, OnEvent: stschain.LogEvents(slog.Default())}
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds}}

	role.Password = func(context.Context) (stschain.Secret, error) {
		password, err := os.ReadFile(filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "key-password")) // systemd's LoadCredential
		return stschain.NewSecret(strings.TrimSpace(string(password))), err
	}

	role.KeyFile = ""
	role.Signer = func(ctx context.Context) (crypto.Signer, error) {
		if err := stschain.Prompt(ctx); err != nil {
			return nil, err // a background refresh: the next caller prompts
		}
		pin, err := readPIN()
		if err != nil {
			return nil, err
		}
		return openToken(pin)
	}

	fleet := &shared.Provider{Provider: role, Store: store, Keys: keys, NamingKey: namingKey}
	creds = &stschain.Cache{Provider: fleet}

	pool := &stschain.Pool[string]{
		MaxInFlight: 2,
		New: func(roleARN string) (stschain.Provider, error) {
			return &rolesanywhere.Provider{
				TrustAnchorARN: role.TrustAnchorARN, ProfileARN: role.ProfileARN, RoleARN: roleARN,
				CertificateFile: role.CertificateFile, KeyFile: role.KeyFile,
			}, nil
		},
	}

	return []any{client, pool}
}

func expires(file string) (time.Time, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return time.Time{}, errors.New("no certificate in " + file)
	}
	certificate, err := x509.ParseCertificate(block.Bytes) // the first one of the file
	if err != nil {
		return time.Time{}, err
	}
	return certificate.NotAfter, nil
}
