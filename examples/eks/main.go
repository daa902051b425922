// Eks is a credential plugin for kubectl and client-go: it prints an ExecCredential
// with a token for an Amazon EKS cluster, from the credentials of the default chain.
//
//	go run ./examples/eks
//
// That needs no AWS account: it generates a token for a fake cluster, whose API
// server gets the identity from a fake STS, and shows that a token for another
// cluster is refused. With a real cluster it prints what kubectl expects, and
// nothing else:
//
//	go build -o ~/bin/eks-token ./examples/eks
//	eks-token -cluster production -region eu-west-1 [-role-arn arn:aws:iam::123456789012:role/deploy]
//
// and in the kubeconfig:
//
//	users:
//	- name: production
//	  user:
//	    exec:
//	      apiVersion: client.authentication.k8s.io/v1
//	      command: eks-token
//	      args: [-cluster, production, -region, eu-west-1]
//	      interactiveMode: Never
//
// The exit code says whether a token was printed.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func main() {
	cluster := flag.String("cluster", "", "the `name` of the cluster; without any flag, all is a demonstration")
	region := flag.String("region", os.Getenv("AWS_REGION"), "the `region` of the cluster")
	roleARN := flag.String("role-arn", "", "a role to assume first, an `ARN`; \"\": none")
	flag.Parse()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var err error
	switch {
	case *cluster != "":
		err = plugin(ctx, *cluster, *region, *roleARN)
	case flag.NFlag()+flag.NArg() > 0:
		err = errors.New("-cluster is needed")
	default:
		err = demonstrate(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "eks:", err)
		os.Exit(1)
	}
}

// plugin is all that a credential plugin needs.
func plugin(ctx context.Context, cluster, region, roleARN string) error {
	var credentials stschain.Provider = &source.Default{Region: region}
	if roleARN != "" {
		credentials = &assumerole.Provider{
			Client:  &stsquery.Client{Credentials: credentials, Region: region},
			RoleARN: roleARN,
		}
	}
	eks := &proof.EKS{
		Client:  &stsquery.Client{Credentials: credentials, Region: region},
		Cluster: cluster,
	}
	token, err := eks.ExecCredential(ctx, os.Getenv("KUBERNETES_EXEC_INFO"))
	if err != nil {
		return err
	}
	_, err = fmt.Println(token.Value.Reveal()) // for kubectl
	return err
}

func demonstrate(ctx context.Context) error {
	const region = "eu-west-1"
	sts := ststest.New()
	defer sts.Close()
	role := &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: sts.User(), Region: region, HTTPClient: sts.Client()},
		RoleARN: "arn:aws:iam::123456789012:role/deploy",
	}
	eks := &proof.EKS{
		Client:  &stsquery.Client{Credentials: role, Region: region, HTTPClient: sts.Client()},
		Cluster: "production",
	}
	const info = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}`
	credential, err := eks.ExecCredential(ctx, info)
	if err != nil {
		return err
	}
	var printed struct {
		APIVersion string
		Status     struct{ ExpirationTimestamp, Token string }
	}
	if err := json.Unmarshal([]byte(credential.Value.Reveal()), &printed); err != nil {
		return err
	}
	fmt.Printf("%s, token of %d bytes, good for %v\n", printed.APIVersion, len(printed.Status.Token),
		time.Until(credential.Expires).Round(time.Minute))

	who, err := review(ctx, sts.Client(), "production", printed.Status.Token)
	if err != nil {
		return err
	}
	fmt.Printf("the cluster production returned: %s\n", who)
	who, err = review(ctx, sts.Client(), "staging", printed.Status.Token)
	if err == nil {
		return fmt.Errorf("the cluster staging let %s in with a token for production", who)
	}
	fmt.Printf("the cluster staging returned:    %v\n", err)
	fmt.Println("ok: the token is for one cluster, and identifies the caller")
	return nil
}

// review does what an API server does with a token: it sends the request in the
// token, with the name of the cluster, to STS, which returns the identity of
// the signer. A real one also checks the URL of the request; see
// aws-iam-authenticator.
func review(ctx context.Context, sts *http.Client, cluster, token string) (arn string, err error) {
	encoded, ok := strings.CutPrefix(token, "k8s-aws-v1.")
	if !ok {
		return "", errors.New("no token of EKS")
	}
	url, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", errors.New("not base64")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(url), nil)
	if err != nil {
		return "", errors.New("not a URL") // the error would show the token
	}
	req.Header.Set("X-K8s-Aws-Id", cluster)
	resp, err := sts.Do(req)
	if err != nil {
		return "", errors.New("no response from STS")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("STS returned %s", resp.Status)
	}
	_, after, _ := strings.Cut(string(body), "<Arn>")
	arn, _, ok = strings.Cut(after, "</Arn>")
	if !ok {
		return "", errors.New("the response of STS has no Arn")
	}
	return arn, nil
}
