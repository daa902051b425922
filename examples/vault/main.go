// Vault logs in to HashiCorp Vault or OpenBao with only AWS credentials: it
// sends a signed STS request to Vault, and Vault sends it to STS, which returns
// the caller.
//
//	go run ./examples/vault
//
// It needs no AWS account: STS and Vault are fakes in the same process; the
// fake Vault verifies logins like the real one. With a real Vault:
//
//	export VAULT_ADDR=https://vault.example.com:8200
//	go run ./examples/vault -role backup [-server-id vault.example.com] [-region aws-global]
//
// The region is that of Vault's sts_region, the server ID its iam_server_id_header_value.
// The last line and the exit code say whether everything worked.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func main() {
	address := flag.String("address", os.Getenv("VAULT_ADDR"), "the `URL` of Vault; without any flag, all is a demonstration")
	role := flag.String("role", "", "the role of Vault to log in for, a `name`")
	serverID := flag.String("server-id", "", "the `name` that Vault has for itself; \"\": its host")
	region := flag.String("region", "aws-global", "the `region` of STS that Vault calls")
	mount := flag.String("mount", "aws", "where the auth method is, a `path`")
	flag.Parse()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	switch {
	case *address != "":
		err = loginAt(ctx, *address, *mount, *role, *serverID, *region)
	case flag.NFlag()+flag.NArg() > 0:
		err = errors.New("VAULT_ADDR or -address is needed")
	default:
		err = demonstrate(ctx)
	}
	if err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: Vault knows us by our AWS identity")
}

func loginAt(ctx context.Context, address, mount, role, serverID, region string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not an address of Vault, such as https://vault.example.com:8200", address)
	}
	me := &proof.Vault{
		Client:   &stsquery.Client{Credentials: &source.Default{}, Region: region},
		ServerID: cmp.Or(serverID, u.Hostname()),
		Role:     role,
	}
	session, err := login(ctx, &http.Client{Timeout: 30 * time.Second}, strings.TrimSuffix(address, "/")+"/v1/auth/"+mount+"/login", me)
	if err != nil {
		return err
	}
	fmt.Printf("a token with the policies %v, good for %v\n", session.Policies, session.life())
	return nil
}

// session is the response of Vault. Send its token in X-Vault-Token, or pass it
// to SetToken of Vault's client, and log in again before it expires: a proof is
// generated locally.
type session struct {
	Token    string   `json:"client_token"`
	Policies []string `json:"policies"`
	Seconds  int      `json:"lease_duration"`
}

func (s session) life() time.Duration { return time.Duration(s.Seconds) * time.Second }

// login is all that a program needs.
func login(ctx context.Context, client *http.Client, url string, me *proof.Vault) (session, error) {
	token, err := me.Token(ctx)
	if err != nil {
		return session{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(token.Value.Reveal()))
	if err != nil {
		return session{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return session{}, err
	}
	defer resp.Body.Close()
	var response struct {
		Auth   session
		Errors []string
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&response); err != nil {
		return session{}, fmt.Errorf("%s: %w", resp.Status, err)
	}
	if resp.StatusCode != http.StatusOK || response.Auth.Token == "" {
		return session{}, fmt.Errorf("%s: %s", resp.Status, strings.Join(response.Errors, "; "))
	}
	return response.Auth, nil
}

func demonstrate(ctx context.Context) error {
	sts := ststest.New()
	defer sts.Close()
	vault := &fakeVault{
		sts: sts.Client(), serverID: "vault.example.com",
		roles: map[string]string{"backup": "arn:aws:sts::123456789012:assumed-role/backup/"},
	}
	const address = "https://vault.example.com:8200/v1/auth/aws/login"
	client := &http.Client{Transport: ststest.InProcess(vault)}
	login := func(awsRole, role, serverID string) error {
		me := &proof.Vault{
			Client: &stsquery.Client{
				Credentials: &assumerole.Provider{
					Client:  &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()},
					RoleARN: "arn:aws:iam::123456789012:role/" + awsRole,
				},
				Region: "aws-global", HTTPClient: sts.Client(),
			},
			ServerID: serverID,
			Role:     role,
		}
		s, err := login(ctx, client, address, me)
		if err != nil {
			return err
		}
		fmt.Printf("%s logs in as %s: policies %v, good for %v\n", awsRole, role, s.Policies, s.life())
		return nil
	}
	if err := login("backup", "backup", "vault.example.com"); err != nil {
		return err
	}
	for what, err := range map[string]error{
		"another AWS role":         login("audit", "backup", "vault.example.com"),
		"a login at another Vault": login("backup", "backup", "vault.staging.example.com"),
	} {
		if err == nil {
			return fmt.Errorf("%s was let in", what)
		}
		fmt.Printf("%s: %v\n", what, err)
	}
	return nil
}

// fakeVault verifies a login like Vault: it checks the headers, sends the
// request to STS, never to the host in the URL, and compares the ARN from STS.
type fakeVault struct {
	sts      *http.Client
	serverID string
	roles    map[string]string // prefix of the ARNs that may log in for a role
}

func (v *fakeVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"errors": []string{why}})
	}
	var in struct {
		Role    string
		Method  string `json:"iam_http_request_method"`
		URL     []byte `json:"iam_request_url"` // base64
		Body    []byte `json:"iam_request_body"`
		Headers []byte `json:"iam_request_headers"`
	}
	var header http.Header
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(http.StatusBadRequest, "no login")
		return
	}
	u, err := url.Parse(string(in.URL))
	if err != nil || json.Unmarshal(in.Headers, &header) != nil || u.Path != "/" && u.Path != "" {
		refuse(http.StatusBadRequest, "no login")
		return
	}
	signed := strings.Contains(header.Get("Authorization"), "x-vault-aws-iam-server-id")
	if !signed || header.Get("X-Vault-AWS-IAM-Server-ID") != v.serverID {
		refuse(http.StatusBadRequest, "the login is for another server")
		return
	}
	u.Scheme, u.Host = "https", "sts.amazonaws.com"
	req, err := http.NewRequestWithContext(r.Context(), in.Method, u.String(), bytes.NewReader(in.Body))
	if err != nil {
		refuse(http.StatusBadRequest, "no login")
		return
	}
	req.Header = header
	resp, err := v.sts.Do(req)
	if err != nil {
		refuse(http.StatusBadGateway, "STS does not respond")
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_, after, _ := strings.Cut(string(body), "<Arn>")
	arn, _, _ := strings.Cut(after, "</Arn>")
	bound, ok := v.roles[in.Role]
	if resp.StatusCode != http.StatusOK || !ok || !strings.HasPrefix(arn, bound) {
		refuse(http.StatusForbidden, fmt.Sprintf("%q is not for %q", in.Role, arn))
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"auth": session{Token: "hvs.example", Policies: []string{in.Role}, Seconds: 3600}})
}
