// Opensearch indexes and searches documents in Amazon OpenSearch with signed requests.
//
//	go run ./examples/opensearch
//
// It needs no AWS account: both kinds of OpenSearch are fakes in the same
// process. With AWS, use a domain of the service "es", or a collection of the
// serverless "aoss":
//
//	go run ./examples/opensearch -region eu-west-1 -service es -url https://search-movies-a1b2c3.eu-west-1.es.amazonaws.com
//	go run ./examples/opensearch -region eu-west-1 -service aoss -url https://a1b2c3d4.eu-west-1.aoss.amazonaws.com
//
// The client of opensearch-go accepts the same transport,
// opensearch.Config{Transport: …}, and then needs no Signer. The last line and
// the exit code say whether everything worked.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/ststest"
)

func main() {
	region := flag.String("region", "eu-west-1", "the `region` of the domain or collection")
	service := flag.String("service", "es", "the `name` of its kind, es or aoss")
	url := flag.String("url", "", "its `URL`; without any flag, fakes are used")
	flag.Parse()
	if *url == "" && flag.NFlag()+flag.NArg() > 0 {
		fmt.Println("FAILED: -url is needed")
		os.Exit(2)
	}

	if err := run(context.Background(), *region, *service, strings.TrimSuffix(*url, "/")); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: what was indexed was found")
}

func run(ctx context.Context, region, service, url string) error {
	if url != "" {
		return movies(ctx, &sigv4.Transport{Service: service, Region: region, Credentials: &source.Default{Region: region}}, url)
	}
	sts := ststest.New()
	defer sts.Close()
	for _, service := range []string{"es", "aoss"} {
		search := &sigv4.Transport{
			Service: service, Region: region, Credentials: sts.User(),
			Base: ststest.InProcess(sts.Protect(service, region, new(fakeSearch))),
		}
		if err := movies(ctx, search, "https://search.example"); err != nil {
			return err
		}
	}
	return nil
}

type movie struct {
	Title string `json:"title"`
	Year  int    `json:"year"`
}

// movies indexes some movies, and searches for one of them.
func movies(ctx context.Context, transport *sigv4.Transport, url string) error {
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	for _, m := range []movie{{"Moneyball", 2011}, {"The Third Man", 1949}, {"Playtime", 1967}} {
		if err := call(ctx, client, url+"/movies/_doc", m, nil); err != nil {
			return err
		}
	}
	query := map[string]any{"query": map[string]any{"match": map[string]any{"title": "moneyball"}}}
	for range 10 { // indexed documents can be found after a short delay
		var found struct {
			Hits struct {
				Hits []struct {
					Source movie `json:"_source"`
				} `json:"hits"`
			} `json:"hits"`
		}
		if err := call(ctx, client, url+"/movies/_search", query, &found); err != nil {
			return err
		}
		for _, hit := range found.Hits.Hits {
			fmt.Printf("%-5s found %s, %d\n", transport.Service, hit.Source.Title, hit.Source.Year)
			return nil
		}
		time.Sleep(time.Second)
	}
	return fmt.Errorf("%s: nothing was found", transport.Service)
}

func call(ctx context.Context, client *http.Client, url string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return fmt.Errorf("POST %s: %s: %s", url, resp.Status, reply)
	case out == nil:
		return nil
	}
	return json.Unmarshal(reply, out)
}

// fakeSearch finds movies by a word of their title.
type fakeSearch struct {
	mu     sync.Mutex
	movies []movie
}

func (s *fakeSearch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		movie
		Query struct{ Match struct{ Title string } }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/_doc") {
		s.movies = append(s.movies, in.movie)
		w.WriteHeader(http.StatusCreated)
		return
	}
	hits := []map[string]movie{}
	for _, m := range s.movies {
		if strings.Contains(strings.ToLower(m.Title), cmp.Or(in.Query.Match.Title, "\n")) {
			hits = append(hits, map[string]movie{"_source": m})
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"hits": map[string]any{"hits": hits}})
}
