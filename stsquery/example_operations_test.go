package stsquery_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func fakeClient() *stsquery.Client {
	return &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()}
}

// A role of another company, with its external ID, and tags that its policies refer to.
func ExampleClient_AssumeRole() {
	fake.AddRole(ststest.Role{ARN: "arn:aws:iam::111111111111:role/partner", ExternalID: "contract-4711"})
	out, err := fakeClient().AssumeRole(context.Background(), stsquery.AssumeRoleInput{
		RoleARN:         "arn:aws:iam::111111111111:role/partner",
		RoleSessionName: "report",
		ExternalID:      "contract-4711",
		Tags:            []stsquery.Tag{{Key: "project", Value: "blue"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	session, _ := fake.Caller(out.Credentials.AccessKeyID)
	fmt.Println(session.ARN, session.Tags)
	// Output: arn:aws:sts::111111111111:assumed-role/partner/report map[project:blue]
}

// A session of a member account's root user, for one task.
func ExampleClient_AssumeRoot() {
	out, err := fakeClient().AssumeRoot(context.Background(), stsquery.AssumeRootInput{
		TargetPrincipal: "111111111111",
		TaskPolicyARN:   "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(time.Until(out.Credentials.Expires).Round(time.Minute))
	// Output: 15m0s
}

// A session for a user that is known to the program, and not to IAM.
func ExampleClient_GetFederationToken() {
	out, err := fakeClient().GetFederationToken(context.Background(), stsquery.GetFederationTokenInput{
		Name:       "Bob",
		PolicyARNs: []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.FederatedUser.ARN)
	// Output: arn:aws:sts::123456789012:federated-user/Bob
}

// A JWT that proves this program's identity to a service outside of AWS.
func ExampleClient_GetWebIdentityToken() {
	out, err := fakeClient().GetWebIdentityToken(context.Background(), stsquery.GetWebIdentityTokenInput{
		Audience:         []string{"https://api.example.com"},
		SigningAlgorithm: "ES384",
	})
	if err != nil {
		log.Fatal(err)
	}
	claims, err := fake.Outbound().Verify(out.WebIdentityToken, time.Now()) // what the service does
	fmt.Println(claims["sub"], "for", claims["aud"], err)
	// Output: arn:aws:iam::123456789012:user/alice for https://api.example.com <nil>
}

// The details of a denial, which a service returned encoded.
func ExampleClient_DecodeAuthorizationMessage() {
	out, err := fakeClient().DecodeAuthorizationMessage(context.Background(), stsquery.DecodeAuthorizationMessageInput{
		EncodedMessage: fake.EncodedMessage(`{"allowed":false}`), // from the error of EC2, for instance
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.DecodedMessage)
	// Output: {"allowed":false}
}

// The account of an access key that was found somewhere.
func ExampleClient_GetAccessKeyInfo() {
	out, err := fakeClient().GetAccessKeyInfo(context.Background(), stsquery.GetAccessKeyInfoInput{
		AccessKeyID: fake.User().Credentials.AccessKeyID,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.Account)
	// Output: 123456789012
}

func ExampleClient_GetDelegatedAccessToken() {
	out, err := fakeClient().GetDelegatedAccessToken(context.Background(), stsquery.GetDelegatedAccessTokenInput{
		TradeInToken: fake.TradeInToken("arn:aws:iam::111111111111:user/customer", time.Hour), // from the customer
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.AssumedPrincipal)
	// Output: arn:aws:iam::111111111111:user/customer
}

// An operation that this package does not know, of a server that is compatible with STS.
func ExampleClient_CallUnsigned() {
	fake.FailNext(ststest.Respond(http.StatusOK, nil, `<LoginResponse><LoginResult>
		<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>
		<Tenant>blue</Tenant></LoginResult></LoginResponse>`))
	server := &stsquery.Client{Endpoint: "https://s3.example.com", HTTPClient: fake.Client()}
	out, err := server.CallUnsigned(context.Background(), stsquery.UnsignedInput{
		Operation:  "Login",
		Parameters: map[string]string{"User": "bob"},
		Secrets: func(context.Context) (map[string]stschain.Secret, error) {
			return map[string]stschain.Secret{"Password": stschain.NewSecret("correct horse")}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.Credentials.AccessKeyID, out.Values["Tenant"])
	// Output: ASIAEXAMPLE blue
}

// A URL with which another process calls STS once, within a minute, with the role of this one.
func ExampleClient_Presign_role() {
	role := &assumerole.Provider{Client: fakeClient(), RoleARN: "arn:aws:iam::123456789012:role/backup", SessionName: "worker"}
	sts := &stsquery.Client{Credentials: role, Region: "eu-west-1", HTTPClient: fake.Client()}
	link, err := sts.Presign(context.Background(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}, Duration: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := fake.Client().Get(link.URL.Reveal())
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, fake.Calls()[len(fake.Calls())-1].Caller)
	// Output: 200 OK arn:aws:sts::123456789012:assumed-role/backup/worker
}
