package oauth2sts_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google/externalaccount"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/oauth2sts"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func ExampleTokenSource() {
	sts := ststest.New() // AWS, for this example
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		claims, err := sts.Outbound().Verify(stschain.NewSecret(token), time.Now())
		if err != nil || claims["aud"] != "https://api.example" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Println("called by", claims["sub"])
	}))
	defer api.Close()

	identity := &proof.WebIdentity{
		Client:   &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()},
		Audience: []string{"https://api.example"},
	}
	client := &http.Client{Transport: &oauth2.Transport{
		Source: oauth2sts.TokenSource(context.Background(), identity),
	}}
	for range 3 {
		resp, err := client.Get(api.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}
	fmt.Println("tokens requested:", sts.Count("GetWebIdentityToken"))
	// Output:
	// called by arn:aws:iam::123456789012:user/alice
	// called by arn:aws:iam::123456789012:user/alice
	// called by arn:aws:iam::123456789012:user/alice
	// tokens requested: 1
}

// An access token of AWS Sign-In in place of signed requests.
func ExampleTokenSource_bearer() {
	aws := ststest.New() // AWS, for this example
	registry := &proof.Bearer{Credentials: aws.User(), Region: "eu-west-1", Resource: "ecr.amazonaws.com", HTTPClient: aws.Client()}
	token, err := oauth2sts.TokenSource(context.Background(), registry).Token()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Type(), time.Until(token.Expiry).Round(time.Hour))
	// Output: Bearer 12h0m0s
}

func ExampleGoogle() {
	aws := ststest.New()
	google := httptest.NewServer(&googleSTS{aws: aws.Client(), life: 3600}) // Google, for this example
	defer google.Close()

	tokens, err := externalaccount.NewTokenSource(context.Background(), externalaccount.Config{
		Audience:                       pool, // //iam.googleapis.com/projects/...
		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
		Scopes:                         []string{"https://www.googleapis.com/auth/cloud-platform"},
		AwsSecurityCredentialsSupplier: &oauth2sts.Google{Credentials: aws.User(), Region: "eu-west-1"},
		TokenURL:                       google.URL, // "": Google's own
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := tokens.Token()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.TokenType, token.Valid())
	// Output:
	// Bearer true
}

// A proof that this program signed, such as for an endpoint of STS that Google's library does not know.
func ExampleGoogleSubject() {
	aws := ststest.New()
	google := httptest.NewServer(&googleSTS{aws: aws.Client(), host: "sts.cn-north-1.amazonaws.com.cn", life: 3600}) // Google, for this example
	defer google.Close()

	tokens, err := externalaccount.NewTokenSource(context.Background(), externalaccount.Config{
		Audience:         pool, // //iam.googleapis.com/projects/...
		SubjectTokenType: "urn:ietf:params:aws:token-type:aws4_request",
		Scopes:           []string{"https://www.googleapis.com/auth/cloud-platform"},
		SubjectTokenSupplier: &oauth2sts.GoogleSubject{Proof: &proof.GCP{
			Client:   &stsquery.Client{Region: "cn-north-1", Credentials: aws.User(), HTTPClient: aws.Client()},
			Audience: pool,
		}},
		TokenURL: google.URL, // "": Google's own
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := tokens.Token()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.TokenType, token.Valid())
	// Output:
	// Bearer true
}
