package proof_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// role stands in for what a program has: source.Default(), an assumerole.Provider.
// noon stands in for the clock, so that the examples say the same each time.
var (
	role = stschain.Static("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "")
	noon = fakeClock()
)

// A credential plugin of kubectl prints this, and gets execInfo from the variable
// KUBERNETES_EXEC_INFO.
func ExampleEKS_ExecCredential() {
	cluster := &proof.EKS{
		Client:  &stsquery.Client{Credentials: role, Region: "eu-west-1", Clock: noon},
		Cluster: "production",
	}
	execInfo := `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}` // os.Getenv("KUBERNETES_EXEC_INFO")
	credential, err := cluster.ExecCredential(context.Background(), execInfo)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(credential.Value.Reveal()[:87])
	fmt.Println(credential.Expires)
	// Output:
	// {"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{},"stat
	// 2026-11-21 12:14:00 +0000 UTC
}

func ExampleEKS() {
	cluster := &proof.EKS{
		Client:  &stsquery.Client{Credentials: role, Region: "eu-west-1", Clock: noon},
		Cluster: "production",
	}
	token, err := cluster.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Value, "until", token.Expires)
	fmt.Println("Authorization: Bearer", token.Value.Reveal()[:11]+"...")
	// Output:
	// [redacted] until 2026-11-21 12:14:00 +0000 UTC
	// Authorization: Bearer k8s-aws-v1....
}

func ExampleVault() {
	vault := &proof.Vault{
		Client:   &stsquery.Client{Credentials: role, Region: "aws-global", Clock: noon},
		ServerID: "vault.example.com",
		Role:     "backup",
	}
	login, err := vault.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	// With Vault's own client: client.Logical().WriteBytes("auth/aws/login", []byte(login.Value.Reveal()))
	var data map[string]string
	if err := json.Unmarshal([]byte(login.Value.Reveal()), &data); err != nil {
		log.Fatal(err)
	}
	fmt.Println(data["role"], data["iam_http_request_method"], data["iam_request_url"])
	// Output: backup POST aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8=
}

func ExampleGCP() {
	google := &proof.GCP{
		Client:   &stsquery.Client{Credentials: role, Region: "eu-west-1", Clock: noon},
		Audience: "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/pool/providers/aws",
	}
	subject, err := google.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	// The body of a POST to https://sts.googleapis.com/v1/token.
	form := url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"audience":             {google.Audience},
		"scope":                {"https://www.googleapis.com/auth/cloud-platform"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"subject_token_type":   {"urn:ietf:params:aws:token-type:aws4_request"},
		"subject_token":        {subject.Value.Reveal()},
	}
	fmt.Println(form.Get("subject_token")[:58])
	// Output: %7B%22url%22%3A%22https%3A%2F%2Fsts.eu-west-1.amazonaws.co
}

func ExampleCallerIdentity() {
	id := &proof.CallerIdentity{
		Client:   &stsquery.Client{Credentials: role, Region: "eu-west-1", Clock: noon},
		Header:   "X-LakeFS-Server-ID",
		Audience: "lakefs.example.com",
	}
	request, err := id.Request(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(request.Method, request.URL, request.Body)
	for _, h := range request.Header {
		fmt.Println(h.Name)
	}
	// Output:
	// POST https://sts.eu-west-1.amazonaws.com/ Action=GetCallerIdentity&Version=2011-06-15
	// Authorization
	// Content-Type
	// X-Amz-Date
	// X-Lakefs-Server-Id
}

// Each connection of a pool gets a password of its own: with pgx, in BeforeConnect.
func ExampleRDS() {
	database := &proof.RDS{
		Credentials: role,
		Region:      "eu-west-1",
		Endpoint:    "db.c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com:5432",
		User:        "app",
		Clock:       noon,
	}
	password, err := database.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	shown, _, _ := strings.Cut(password.Value.Reveal(), "&X-Amz-")
	fmt.Println(shown)
	fmt.Println(password.Expires)
	// Output:
	// db.c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=app
	// 2026-11-21 12:15:00 +0000 UTC
}

func ExampleDSQL() {
	cluster := &proof.DSQL{Credentials: role, Region: "us-east-1", Endpoint: "abc.dsql.us-east-1.on.aws", Admin: true, Clock: noon}
	password, err := cluster.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	shown, _, _ := strings.Cut(password.Value.Reveal(), "&X-Amz-")
	fmt.Println(shown)
	// Output: abc.dsql.us-east-1.on.aws/?Action=DbConnectAdmin
}

func ExampleElastiCache() {
	cache := &proof.ElastiCache{Credentials: role, Region: "eu-west-1", Cache: "sessions", User: "app", Serverless: true, Clock: noon}
	password, err := cache.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	shown, _, _ := strings.Cut(password.Value.Reveal(), "&X-Amz-")
	fmt.Println(shown)
	// Output: sessions/?Action=connect&ResourceType=ServerlessCache&User=app
}

func ExampleMemoryDB() {
	cluster := &proof.MemoryDB{Credentials: role, Region: "eu-west-1", Cluster: "sessions", User: "app", Clock: noon}
	password, err := cluster.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	shown, _, _ := strings.Cut(password.Value.Reveal(), "&X-Amz-")
	fmt.Println(shown)
	// Output: sessions/?Action=connect&User=app
}

// With sarama this is the body of AccessTokenProvider.Token, with franz-go that of
// the function that oauth.Oauth is given.
func ExampleMSK() {
	brokers := &proof.MSK{Credentials: role, Region: "eu-west-1", Clock: noon}
	token, err := brokers.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Value, token.Expires)
	// Output: [redacted] 2026-11-21 12:15:00 +0000 UTC
}

// With paho.mqtt.golang, the URL is that of AddBroker, set again in the ReconnectingHandler.
func ExampleIoTWebSocket() {
	broker := &proof.IoTWebSocket{Credentials: role, Region: "eu-west-1", Endpoint: "abc-ats.iot.eu-west-1.amazonaws.com", Clock: noon}
	link, err := broker.URL(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	shown, _, _ := strings.Cut(link.Value.Reveal(), "?")
	fmt.Println(shown, link.Expires)
	// Output: wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt 2026-11-21 12:15:00 +0000 UTC
}

func ExampleWebIdentity() {
	fake := ststest.New() // stands in for AWS
	id := &proof.WebIdentity{
		Client: &stsquery.Client{
			Credentials: fake.User(),
			Region:      "eu-west-1",
			HTTPClient:  fake.Client(), // leave it out to call AWS
		},
		Audience: []string{"https://api.example.com"},
		Duration: 10 * time.Minute,
	}
	for range 3 { // one call of STS
		token, err := id.Token(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("Authorization: Bearer", token.Value)
	}
	fmt.Println(fake.Count("GetWebIdentityToken"))
	// Output:
	// Authorization: Bearer [redacted]
	// Authorization: Bearer [redacted]
	// Authorization: Bearer [redacted]
	// 1
}

func ExampleBearer() {
	fake := ststest.New() // stands in for AWS
	registry := &proof.Bearer{
		Credentials: fake.User(),
		Region:      "eu-west-1",
		Resource:    "ecr.amazonaws.com",
		Duration:    time.Hour,
		HTTPClient:  fake.Client(), // leave it out to call AWS
	}
	for range 3 { // one call of AWS Sign-In
		token, err := registry.Token(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("Authorization: Bearer", token.Value)
	}
	fmt.Println(fake.Count("CreateBearerToken"))
	// Output:
	// Authorization: Bearer [redacted]
	// Authorization: Bearer [redacted]
	// Authorization: Bearer [redacted]
	// 1
}

func ExampleTokenExchange() {
	fake := ststest.New() // stands in for AWS, and for an identity provider
	catalog := &proof.TokenExchange{
		SubjectToken: func(context.Context) (stschain.Secret, error) {
			return fake.Issuer().Token(map[string]any{"sub": "jane"}), nil
		},
		Region:     "eu-west-1",
		Resource:   "glue.amazonaws.com",
		Scope:      []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
		HTTPClient: fake.Client(), // leave it out to call AWS
	}
	token, err := catalog.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	claims, err := fake.SignIn().Verify(token.Value, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims["sub"], claims["scope"])
	// Output: jane arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
}
