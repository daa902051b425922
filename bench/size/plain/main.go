// Plain posts a form to STS and decodes the response, with the standard
// library alone. It signs nothing: it is the floor for the other programs.
package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"
)

func main() {
	endpoint := os.Getenv("AWS_ENDPOINT_URL_STS")
	if endpoint == "" {
		endpoint = "https://sts." + os.Getenv("AWS_REGION") + ".amazonaws.com/"
	}
	resp, err := http.PostForm(endpoint, url.Values{
		"Action":          {"AssumeRole"},
		"Version":         {"2011-06-15"},
		"RoleArn":         {os.Args[1]},
		"RoleSessionName": {"size"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var response struct {
		Expiration time.Time `xml:"AssumeRoleResult>Credentials>Expiration"`
	}
	if err := xml.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&response); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Expiration)
}
