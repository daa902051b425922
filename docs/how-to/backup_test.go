package howto_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func backupCredentials(sts *stsquery.Client) *stschain.Cache {
	return &stschain.Cache{
		Provider: &assumerole.Provider{
			Client:      sts,
			RoleARN:     "arn:aws:iam::123456789012:role/backup",
			SessionName: "nightly",
			Duration:    12 * time.Hour, // the role's MaxSessionDuration
		},
		OnEvent: stschain.LogEvents(slog.Default()),
	}
}

func backupClient(creds *stschain.Cache) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.ResponseHeaderTimeout = 2 * time.Minute // begins when the body has been sent
	return &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds, Base: base}}
}

// upload sends size bytes of the file, from offset, as one object or as one part.
func upload(ctx context.Context, client *http.Client, url string, file io.ReaderAt, offset, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute+time.Duration(size>>20)*time.Second) // at least 1 MiB/s
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, io.NewSectionReader(file, offset, size))
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(file, offset, size)), nil }
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("upload to %s: %s: %s", url, resp.Status, text)
	}
	return nil
}

// uploadStream sends a stream of unknown length in parts, each of which can be sent again.
func uploadStream(ctx context.Context, client *http.Client, partURL func(number int) string, archive io.Reader) error {
	for number := 1; ; number++ {
		part, err := io.ReadAll(io.LimitReader(archive, 64<<20))
		if err != nil {
			return err
		}
		if len(part) == 0 {
			return nil
		}
		if err := upload(ctx, client, partURL(number), bytes.NewReader(part), 0, int64(len(part))); err != nil {
			return err
		}
	}
}

// unsigned returns a client for bodies that are read once, without a hash. It needs https.
func unsigned(creds *stschain.Cache, base http.RoundTripper) *http.Client {
	return &http.Client{Transport: &sigv4.Transport{
		Service: "s3", Region: "eu-west-1", Credentials: creds, Base: base,
		UnsignedPayload: true,
	}}
}

func uploadOnce(ctx context.Context, client *http.Client, url string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	return client.Do(req)
}

func (s *store) client() *stsquery.Client {
	return &stsquery.Client{Credentials: s.sts.User(), Region: "eu-west-1", Endpoint: s.url}
}

func TestBackup(t *testing.T) {
	s3 := newStore(t)
	client := backupClient(backupCredentials(s3.client()))
	defer client.CloseIdleConnections()
	const content = "the content of a large file"
	file, err := os.Open(writeFile(t, "archive", content))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, upload(t.Context(), client, s3.url+"/backups/whole", file, 0, int64(len(content))))
	whole, _ := s3.object("/backups/whole")
	require.Equal(t, content, whole)

	require.NoError(t, upload(t.Context(), client, s3.url+"/backups/large?partNumber=2&uploadId=u", file, 4, 7))
	part, _ := s3.object("/backups/large?partNumber=2&uploadId=u")
	require.Equal(t, content[4:11], part)

	number := func(n int) string { return fmt.Sprintf("%s/backups/stream?partNumber=%d&uploadId=u", s3.url, n) }
	require.NoError(t, uploadStream(t.Context(), client, number, io.MultiReader(strings.NewReader("from a "), strings.NewReader("pipe"))))
	first, _ := s3.object("/backups/stream?partNumber=1&uploadId=u")
	require.Equal(t, "from a pipe", first)
	require.Equal(t, 1, s3.sts.Count("AssumeRole"))

	large := make([]byte, 200<<10)
	client.Transport.(*sigv4.Transport).MaxBody = 100 << 10
	require.NoError(t, upload(t.Context(), client, s3.url+"/backups/large", bytes.NewReader(large), 0, int64(len(large))))
	got, _ := s3.object("/backups/large")
	require.Equal(t, len(large), len(got))
}

// A run of 30 hours uses three sessions, and a session that the service rejects is replaced within an upload.
func TestLongBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := ststest.NewTest(t)
		creds := backupCredentials(&stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()})
		bucket := ststest.InProcess(sts.Protect("s3", "eu-west-1", nil))
		client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds, Base: bucket}}
		for range 60 {
			require.NoError(t, upload(t.Context(), client, "https://backups.example/part", strings.NewReader("content"), 0, 7))
			time.Sleep(30 * time.Minute)
		}
		require.Equal(t, 3, sts.Count("AssumeRole"))

		require.True(t, sts.Revoke(creds.Status().AccessKeyID))
		require.NoError(t, upload(t.Context(), client, "https://backups.example/part", strings.NewReader("content"), 0, 7))
		require.Equal(t, 4, sts.Count("AssumeRole"))
	})
}

func TestBackupErrors(t *testing.T) {
	s3 := newStore(t)
	creds := backupCredentials(s3.client())
	client := backupClient(creds)
	defer client.CloseIdleConnections()
	client.Transport.(*sigv4.Transport).MaxBody = 100 << 10
	pipe := func(size int) io.Reader { return io.MultiReader(bytes.NewReader(make([]byte, size))) }
	_, tooLarge := uploadOnce(t.Context(), client, s3.url+"/backups/x", pipe(100<<10+1), -1)
	require.ErrorIs(t, tooLarge, sigv4.ErrBodyTooLarge)
	_, plain := uploadOnce(t.Context(), unsigned(creds, nil), s3.url+"/backups/x", pipe(3), 3)
	_, grown := uploadOnce(t.Context(), client, s3.url+"/backups/x", pipe(3), 2)
	tls := ststest.InProcess(s3.sts.Protect("s3", "eu-west-1", nil))
	_, shrunk := uploadOnce(t.Context(), unsigned(creds, tls), "https://backups.example/x", pipe(3), 5)

	require.True(t, s3.sts.Revoke(creds.Status().AccessKeyID))
	resp, err := uploadOnce(t.Context(), unsigned(creds, tls), "https://backups.example/x", pipe(3), 3)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	rejected := errors.New(resp.Status + ": " + string(text))

	s3.sts.FailAll(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "maintenance"))
	down := upload(t.Context(), backupClient(backupCredentials(s3.client())), s3.url+"/backups/x", strings.NewReader("content"), 0, 7)
	requireRows(t, "backup.md", tooLarge, plain, grown, shrunk, rejected, down)
}
