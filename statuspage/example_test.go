package statuspage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/statuspage"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func ExampleHandler() {
	fake := ststest.New() // stands in for AWS
	client := &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()}
	events := new(statuspage.Events)
	backup := &stschain.Cache{
		Provider: &assumerole.Provider{Client: client, RoleARN: "arn:aws:iam::123456789012:role/backup"},
		OnEvent:  events.Add,
	}
	tenants := &stschain.Pool[string]{New: func(tenant string) (stschain.Provider, error) {
		return &assumerole.Provider{Client: client, RoleARN: "arn:aws:iam::123456789012:role/" + tenant}, nil
	}}
	page := httptest.NewServer(&statuspage.Handler{
		Providers: []statuspage.Provider{{Name: "backup", Provider: backup, Events: events}},
		Pools:     []statuspage.Pool{statuspage.NewPool("tenants", tenants, func(tenant string) string { return tenant })},
	})
	defer page.Close()

	for _, p := range []stschain.Provider{backup, tenants.Provider("blue"), tenants.Provider("green")} {
		if _, err := p.Retrieve(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	resp, err := http.Get(page.URL + "?format=json") // a browser shows the page
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var status struct {
		Version   int
		Providers []struct {
			Caches []struct{ Origin, Phase string }
		}
		Pools []struct{ Entries int }
	}
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Version, status.Providers[0].Caches[0].Origin, status.Providers[0].Caches[0].Phase)
	fmt.Println(status.Pools[0].Entries, "tenants")
	// Output:
	// 1 assumerole arn:aws:iam::123456789012:role/backup fresh
	// 2 tenants
}
