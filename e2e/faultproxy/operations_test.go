package faultproxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const (
	secretKey = "wJalrXUtnFEMI/hunter4711+KEY"
	mfaCode   = "471108"
)

// servers are what lies behind the proxies: an STS, and a service with signed requests.
type servers struct {
	sts     *ststest.Server
	service *httptest.Server
	alice   stschain.Provider
	token   stschain.Secret // an ID token
	devices atomic.Int32
}

func newServers() *servers {
	s := &servers{sts: &ststest.Server{}}
	keys := stschain.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey)}
	s.sts.AddKeys("arn:aws:iam::123456789012:user/alice", keys)
	s.alice = stschain.Static(keys.AccessKeyID, secretKey, "")
	s.token = s.sts.Issuer().Token(nil)
	s.service = httptest.NewServer(s.sts.Protect("s3", "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "took %d bytes", n)
	})))
	s.sts.URL()
	return s
}

func (s *servers) Close() {
	s.service.Close()
	s.sts.Close()
}

// operation is one thing that a program does through the proxy.
type operation struct {
	name   string
	signed bool // through sigv4.Transport, and not a call of STS
	once   bool // it must not be sent again once the server may have seen it
	run    func(ctx context.Context, s *servers, endpoint string, client *http.Client, patience time.Duration) error
}

var operations = []operation{
	{name: "AssumeRole", run: onClient(func(ctx context.Context, s *servers, c *stsquery.Client) error {
		_, err := c.AssumeRole(ctx, stsquery.AssumeRoleInput{RoleARN: "arn:aws:iam::123456789012:role/backup", RoleSessionName: "session"})
		return err
	})},
	{name: "AssumeRoleWithWebIdentity", run: onClient(func(ctx context.Context, s *servers, c *stsquery.Client) error {
		_, err := c.AssumeRoleWithWebIdentity(ctx, stsquery.AssumeRoleWithWebIdentityInput{
			RoleARN: "arn:aws:iam::123456789012:role/backup", RoleSessionName: "session", WebIdentityToken: s.token,
		})
		return err
	})},
	{name: "GetCallerIdentity", run: onClient(func(ctx context.Context, _ *servers, c *stsquery.Client) error {
		_, err := c.GetCallerIdentity(ctx)
		return err
	})},
	{name: "GetSessionToken, MFA", once: true, run: onClient(func(ctx context.Context, s *servers, c *stsquery.Client) error {
		serial := fmt.Sprintf("arn:aws:iam::123456789012:mfa/device%d", s.devices.Add(1)) // a code is good for one call
		s.sts.AddMFA(ststest.MFA{Serial: serial, Codes: []string{mfaCode}})
		_, err := c.GetSessionToken(ctx, stsquery.GetSessionTokenInput{SerialNumber: serial, TokenCode: stschain.NewSecret(mfaCode)})
		return err
	})},
	{name: "GET, signed", signed: true, run: onTransport(http.MethodGet, 0)},
	{name: "PUT 1 MiB, signed", signed: true, run: onTransport(http.MethodPut, 1<<20)},
}

func onClient(call func(context.Context, *servers, *stsquery.Client) error) func(context.Context, *servers, string, *http.Client, time.Duration) error {
	return func(ctx context.Context, s *servers, endpoint string, client *http.Client, patience time.Duration) error {
		return call(ctx, s, &stsquery.Client{Credentials: s.alice, Region: "eu-west-1", Endpoint: endpoint, HTTPClient: client, AttemptTimeout: patience})
	}
}

// errResponse is what the test itself finds wrong with a response, which Transport does not check.
var errResponse = errors.New("a wrong response")

func onTransport(method string, size int) func(context.Context, *servers, string, *http.Client, time.Duration) error {
	return func(ctx context.Context, s *servers, endpoint string, client *http.Client, patience time.Duration) error {
		base := &http.Transport{}
		if client != nil {
			base = client.Transport.(*http.Transport)
		}
		defer base.CloseIdleConnections()
		signing := &http.Client{Timeout: patience, Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: s.alice, Base: base}}
		req, err := http.NewRequestWithContext(ctx, method, endpoint+"/bucket/key", bytes.NewReader(make([]byte, size)))
		if err != nil {
			return err
		}
		resp, err := signing.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		switch {
		case err != nil:
			return fmt.Errorf("%w: reading it: %w", errResponse, err)
		case resp.StatusCode != http.StatusOK:
			return fmt.Errorf("%w: status %d: %.200s", errResponse, resp.StatusCode, body)
		case string(body) != fmt.Sprintf("took %d bytes", size):
			return fmt.Errorf("%w: %.200q", errResponse, body)
		}
		return nil
	}
}
