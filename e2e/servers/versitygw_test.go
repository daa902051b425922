package servers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

func startVersity(t *testing.T, backend string) realserver.Server {
	t.Helper()
	return realserver.Start(t, "STSCHAIN_VERSITYGW", "/healthz", nil, func(address, dir string) []string {
		args := []string{"--health", "/healthz", "-p", address, "-a", user, "-s", password, backend}
		if backend == "iam" {
			return append(args, "--dir", dir)
		}
		return append(args, dir)
	})
}

func TestVersityIdentity(t *testing.T) {
	endpoint := startVersity(t, "iam").URL
	client := &stsquery.Client{Credentials: stschain.Static(user, password, ""), Region: region, Endpoint: endpoint}
	byHeader, err := client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::000000000000:root", byHeader.ARN)

	presigned, err := client.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, get(t, presigned.URL.Reveal()))
	require.Equal(t, http.StatusForbidden, get(t, strings.Replace(presigned.URL.Reveal(), "Signature=", "Signature=0", 1)), "a forged one")
}

func get(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

func TestVersityRefuses(t *testing.T) {
	endpoint := startVersity(t, "iam").URL
	good := stschain.Static(user, password, "")
	late := clock.NewMock()
	late.Set(time.Now().Add(-20 * time.Minute))
	tests := []struct {
		name   string
		client *stsquery.Client
		status int
		code   string
	}{
		{"wrong key", &stsquery.Client{Credentials: stschain.Static("AKIANOBODYKNOWSTHIS0", password, "")}, 403, "InvalidClientTokenId"},
		{"wrong secret", &stsquery.Client{Credentials: stschain.Static(user, "wrong-password", "")}, 403, "SignatureDoesNotMatch"},
		{"wrong region", &stsquery.Client{Credentials: good, SigningRegion: "eu-west-1"}, 403, "SignatureDoesNotMatch"},
		{"wrong service", &stsquery.Client{Credentials: good, SigningName: "s3"}, 400, "SignatureDoesNotMatch"},
		{"old date", &stsquery.Client{Credentials: good, Clock: late, DisableClockSkewCorrection: true}, 403, "SignatureDoesNotMatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.client.Region, tt.client.Endpoint = region, endpoint
			_, err := tt.client.GetCallerIdentity(t.Context())
			t.Log(err)
			var refused *stsquery.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.code, refused.Code)
			require.Equal(t, tt.status, refused.StatusCode)
			require.NotContains(t, err.Error(), password)
		})
	}
}

// A clock that is 20 minutes late is refused once, and put right.
func TestVersityClockSkew(t *testing.T) {
	late := clock.NewMock()
	late.Set(time.Now().Add(-20 * time.Minute))
	client := &stsquery.Client{Credentials: stschain.Static(user, password, ""), Clock: late, Region: region, Endpoint: startVersity(t, "iam").URL}
	_, err := client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	signed, err := client.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
	require.NoError(t, err)
	u, err := url.Parse(signed.URL.Reveal())
	require.NoError(t, err)
	dated, err := time.Parse("20060102T150405Z", u.Query().Get("X-Amz-Date"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), dated, 30*time.Second)
}

// Keys that proxies and clients like to change on the way.
func TestVersityObjects(t *testing.T) {
	endpoint := startVersity(t, "posix").URL
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: stschain.Static(user, password, "")}}
	do(t, client, http.MethodPut, endpoint+"/bucket", "")
	for i, path := range []string{
		"plain", "with%20space", "%C3%BCn%C3%AF/c%C3%B6d%C3%A9%20%E4%B8%96%E7%95%8C", "a%2Fslash", "plus%2Bsign", "plus+sign",
		"and%26equals%3D", "~tilde!(*)'", "dots/a..b/.c", "percent%2525", "semi;colon", "at@colon:", "dollar$comma,",
	} {
		t.Run(path, func(t *testing.T) {
			body := fmt.Sprintf("object %d", i)
			do(t, client, http.MethodPut, endpoint+"/bucket/"+path, body)
			require.Equal(t, body, do(t, client, http.MethodGet, endpoint+"/bucket/"+path, ""))
			decoded, err := url.PathUnescape(path)
			require.NoError(t, err)
			listed := do(t, client, http.MethodGet, endpoint+"/bucket?list-type=2&encoding-type=url&prefix="+url.QueryEscape(decoded), "")
			require.Contains(t, listed, "<KeyCount>1</KeyCount>")
		})
	}
	// Two slashes are one to this server's file system, but not to the signature.
	do(t, client, http.MethodPut, endpoint+"/bucket/a//b", "twice")
	require.Equal(t, "twice", do(t, client, http.MethodGet, endpoint+"/bucket/a//b", ""))
}

func TestVersityManyAtOnce(t *testing.T) {
	endpoint := startVersity(t, "posix").URL
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: stschain.Static(user, password, "")}}
	do(t, client, http.MethodPut, endpoint+"/bucket", "")
	errs := make(chan error, 200)
	for i := range 200 {
		go func() {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, fmt.Sprintf("%s/bucket/%d", endpoint, i), strings.NewReader(strings.Repeat("x", i*100)))
			if err == nil {
				var resp *http.Response
				if resp, err = client.Do(req); err == nil {
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						err = fmt.Errorf("%d: %s", i, resp.Status)
					}
				}
			}
			errs <- err
		}()
	}
	for range 200 {
		require.NoError(t, <-errs)
	}
}
