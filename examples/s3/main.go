// S3 puts an object and gets it back through a plain http.Client, without an SDK.
//
//	go run ./examples/s3
//
// It needs no AWS account: S3 is a fake in the same process that verifies signatures. With AWS, or a compatible server:
//
//	go run ./examples/s3 -region eu-west-1 -bucket my-bucket
//	go run ./examples/s3 -region us-east-1 -bucket my-bucket -endpoint http://127.0.0.1:9000
//
// The credentials then come from the default chain. The last line and the
// exit code say whether everything worked.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/ststest"
)

func main() {
	region := flag.String("region", "eu-west-1", "the `region` of the bucket")
	bucket := flag.String("bucket", "", "an existing `bucket`; without any flag, a fake S3 is used")
	endpoint := flag.String("endpoint", "", "the `URL` of a server other than AWS, which has buckets in the path")
	flag.Parse()
	if *bucket == "" && flag.NFlag()+flag.NArg() > 0 {
		fmt.Println("FAILED: -bucket is needed")
		os.Exit(2)
	}

	objects := "https://" + *bucket + ".s3." + *region + ".amazonaws.com/"
	if *endpoint != "" {
		objects = strings.TrimSuffix(*endpoint, "/") + "/" + *bucket + "/"
	}
	transport := &sigv4.Transport{Service: "s3", Region: *region, Credentials: &source.Default{Region: *region}}
	if *bucket == "" {
		sts := ststest.New()
		objects = "https://bucket.s3.example/"
		transport.Credentials = sts.User()
		transport.Base = ststest.InProcess(sts.Protect("s3", *region, &fakeS3{objects: map[string][]byte{}}))
	}
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	if err := run(context.Background(), client, objects); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: every object came back as it was sent")
}

func run(ctx context.Context, client *http.Client, objects string) error {
	// Keys may contain any character. PathEscape makes each key one path
	// segment, and the transport signs the path as S3 interprets it.
	for _, key := range []string{"hello.txt", "with space+plus", "ünï/cödé"} {
		object := objects + url.PathEscape(key)
		content := "the content of " + key
		if _, err := do(ctx, client, http.MethodPut, object, strings.NewReader(content)); err != nil {
			return err
		}
		got, err := do(ctx, client, http.MethodGet, object, nil)
		if err != nil {
			return err
		}
		fmt.Printf("%-16s %d bytes put and got\n", key, len(got))
		if string(got) != content {
			return fmt.Errorf("%s came back as %q", key, got)
		}
	}

	// A file is read twice, to hash it and to send it, and is not kept in memory.
	file, err := os.CreateTemp("", "stschain")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if _, err := file.Write(content); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := do(ctx, client, http.MethodPut, objects+"file", file); err != nil {
		return err
	}
	got, err := do(ctx, client, http.MethodGet, objects+"file", nil)
	if err != nil {
		return err
	}
	fmt.Printf("%-16s %d bytes put and got\n", "file", len(got))
	if !bytes.Equal(got, content) {
		return fmt.Errorf("the file came back with %d bytes", len(got))
	}
	return nil
}

// do makes a request and returns the body of the response. Any other status is an
// error with the body.
func do(ctx context.Context, client *http.Client, method, url string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, got)
	}
	return got, err
}

// fakeS3 keeps objects by their path.
type fakeS3 struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (s *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch content, ok := s.objects[r.URL.Path]; {
	case r.Method == http.MethodPut:
		s.objects[r.URL.Path], _ = io.ReadAll(r.Body)
	case !ok:
		http.Error(w, "NoSuchKey", http.StatusNotFound)
	default:
		w.Write(content)
	}
}
