package sigv4_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// mrap is the host of a multi-region access point.
const mrap = "https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com/dir/a%20b%2Bc.txt?x-id=GetObject"

// regional returns a server that knows creds of these IDs, and a Transport with the first of them whose scope has a region set.
func regional(t *testing.T, service string, regions sigv4.RegionSet, ids ...string) (*ststest.Server, *sigv4.Transport) {
	srv := ststest.NewTest(t)
	srv.Clock = fixedClock(now)
	for _, id := range ids {
		srv.AddKeys("arn:aws:iam::123456789012:user/"+id, creds(id))
	}
	return srv, &sigv4.Transport{
		Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return creds(ids[0]), nil }),
		Scope: func(*http.Request) (sigv4.Scope, error) {
			return sigv4.Scope{Service: service, RegionSet: regions}, nil
		},
		Clock: fixedClock(now),
	}
}

// Every way to sign signs with SigV4a for the region set of the scope.
func TestRegionSet(t *testing.T) {
	for _, service := range []string{"s3", "events", "vpc-lattice-svcs"} {
		for _, set := range [][]string{{"eu-west-1"}, {"us-east-1", "eu-west-1"}, {"*"}, {"us-east-1", "eu-*"}, {"*", "us-east-1"}} {
			srv, tr := regional(t, service, sigv4.Regions(set...), "AKID")
			var caller ststest.Caller
			tr.Base = ststest.InProcess(srv.Protect(service, "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				caller, _ = ststest.CallerFrom(r.Context())
			})))
			for name, send := range ways(tr) {
				caller = ststest.Caller{}
				req := newRequest(t, "PUT", mrap, strings.NewReader("hello"))
				requireOK(t, send, req)
				require.Equal(t, strings.Join(set, ","), caller.Region, name)
				require.Equal(t, "AKID", caller.AccessKeyID, name)
			}
			if service == "vpc-lattice-svcs" {
				continue // ststest does not know how it presigns
			}
			signed, err := tr.Presign(newRequest(t, "GET", mrap, nil), time.Minute)
			require.NoError(t, err)
			require.Equal(t, 200, visit(t, srv.Protect(service, "eu-west-1", nil), "GET", signed, ""))
			require.NotContains(t, signed.Header, "X-Amz-Region-Set")
			query := mustParse(t, signed.URL.Reveal()).RawQuery
			require.Contains(t, query, "X-Amz-Region-Set="+strings.ReplaceAll(url.QueryEscape(strings.Join(set, ",")), "+", "%20")+"&")
		}
	}
}

// An empty region set is the Region, of the Signer and of the Scope.
func TestRegionSetEmpty(t *testing.T) {
	req := newRequest(t, "GET", mrap, nil)
	signer := &sigv4.Signer{Service: "s3", Region: "eu-west-1", RegionSet: sigv4.Regions()}
	require.NoError(t, signer.Sign(req, sigv4.PayloadHash(nil), secret, now))
	require.Equal(t, []string{"eu-west-1"}, req.Header["X-Amz-Region-Set"])
	require.Contains(t, req.Header.Get("Authorization"), "AWS4-ECDSA-P256-SHA256 Credential="+secret.AccessKeyID+"/20261121/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set;x-amz-security-token, Signature=30")
	require.Equal(t, "us-east-1,*", sigv4.Regions("us-east-1", "*").String())
}

// Region sets that are not valid, services without SigV4a, and headers and parameters that only signing adds are refused
// before the body is read.
func TestRegionSetRefuses(t *testing.T) {
	type R = *http.Request
	none := func(R) {}
	for _, test := range []struct {
		service string
		set     sigv4.RegionSet
		change  func(R)
		want    string
	}{
		{"s3", sigv4.Regions(), none, "the region set is empty, and so is Region"},
		{"s3", sigv4.Regions(""), none, `"" in the region set is not a valid`},
		{"s3", sigv4.Regions("us-east-1", ""), none, `"" in the region set is not a valid`},
		{"s3", sigv4.Regions("us-east-1,eu-west-1"), none, `"us-east-1,eu-west-1" in the region set is not a valid`},
		{"s3", sigv4.Regions("us-east-1", " eu-west-1"), none, `" eu-west-1" in the region set is not a valid`},
		{"s3", sigv4.Regions("us-east-1 "), none, `"us-east-1 " in the region set is not a valid`},
		{"s3", sigv4.Regions("**"), none, `"**" in the region set is not a valid`},
		{"s3", sigv4.Regions("*-east-1"), none, `"*-east-1" in the region set is not a valid`},
		{"s3", sigv4.Regions("us-east-1\r\nX: y"), none, `"us-east-1\r\nX: y" in the region set is not a valid`},
		{"s3", sigv4.Regions("a/b"), none, `"a/b" in the region set is not a valid`},
		{"rds-db", sigv4.Regions("*"), none, "service rds-db supports Signature Version 4 only, not SigV4a: set Region"},
		{"iotdevicegateway", sigv4.Regions("*"), none, "supports Signature Version 4 only"},
		{"aoss", sigv4.Regions("*"), none, "supports Signature Version 4 only"},
		{"s3express", sigv4.Regions("*"), none, "supports Signature Version 4 only"},
		{"", sigv4.Regions("*"), none, `Scope returned service "" and region ""`},
		{"s3", sigv4.Regions("*"), func(r R) { r.Header.Set("X-Amz-Region-Set", "*") }, "has the header X-Amz-Region-Set, which signing adds"},
		{"s3", nil, func(r R) { r.Header.Set("X-Amz-Region-Set", "*") }, "has the header X-Amz-Region-Set, which signing adds"},
		{"s3", sigv4.Regions("*"), func(r R) { r.URL.RawQuery = "X-Amz-Region-Set=" + token }, "already signed: its query has X-Amz-Region-Set"},
		{"s3", nil, func(r R) { r.URL.RawQuery = "x-amz-region%2Dset=" + token }, "already signed: its query has x-amz-region-set"},
	} {
		for name, send := range map[string]func(*sigv4.Transport, R) error{
			"RoundTrip":   func(tr *sigv4.Transport, r R) error { _, err := tr.RoundTrip(r); return err },
			"SignRequest": func(tr *sigv4.Transport, r R) error { return tr.SignRequest(r) },
			"Presign":     func(tr *sigv4.Transport, r R) error { _, err := tr.Presign(r, time.Minute); return err },
		} {
			_, tr := regional(t, test.service, test.set, "AKID")
			if test.set == nil {
				tr.Scope, tr.Service, tr.Region = nil, test.service, "eu-west-1"
			}
			tr.Base = roundTripper(func(R) (*http.Response, error) { t.Error("sent"); return nil, context.Canceled })
			body := newStream("hello")
			body.Reader = readerFunc(func([]byte) (int, error) { t.Error("read"); return 0, context.Canceled })
			req := newRequest(t, "PUT", "https://example.com/", body)
			test.change(req)
			err := send(tr, req)
			require.ErrorContains(t, err, test.want, name)
			checkCanary(t, err)
		}
		if test.service == "" {
			continue
		}
		signer := &sigv4.Signer{Service: test.service, RegionSet: test.set}
		if test.set == nil {
			signer.Region = "eu-west-1"
		}
		req := newRequest(t, "PUT", "https://example.com/", nil)
		test.change(req)
		require.ErrorContains(t, signer.Sign(req, sigv4.PayloadHash(nil), secret, now), test.want)
		_, _, err := signer.Presign(req, sigv4.PayloadHash(nil), secret, now, time.Minute)
		require.ErrorContains(t, err, test.want)
	}
}

// A request that is signed again, with or without a region set, has one signature: the new one.
func TestRegionSetSignedAgain(t *testing.T) {
	req := newRequest(t, "GET", mrap, nil)
	hash := sigv4.PayloadHash(nil)
	one := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	several := &sigv4.Signer{Service: "s3", RegionSet: sigv4.Regions("*")}
	for range 2 {
		for _, signer := range []*sigv4.Signer{several, several, one} {
			require.NoError(t, signer.Sign(req, hash, secret, now))
			require.Len(t, req.Header["Authorization"], 1)
			srv := ststest.NewTest(t)
			srv.Clock = fixedClock(now)
			srv.AddKeys("arn:aws:iam::123456789012:user/ada", secret)
			requireOK(t, ststest.InProcess(srv.Protect("s3", "eu-west-1", nil)).RoundTrip, req)
			require.Equal(t, signer == several, req.Header.Get("X-Amz-Region-Set") == "*")
		}
	}
	srv, tr := regional(t, "s3", sigv4.Regions("*"), "AKID")
	req = newRequest(t, "GET", mrap, nil)
	for range 2 {
		require.NoError(t, tr.SignRequest(req))
		requireOK(t, ststest.InProcess(srv.Protect("s3", "eu-west-1", nil)).RoundTrip, req)
	}
	_, err := tr.RoundTrip(req)
	require.ErrorContains(t, err, "already signed: it has Authorization")
}

// A region set of the caller is refused unless it is of an earlier signature with SigV4a.
func TestRegionSetOfAnotherSignature(t *testing.T) {
	for _, authorization := range [][]string{{"AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0"}, {""}, {}} {
		req := newRequest(t, "GET", mrap, nil)
		req.Header["X-Amz-Region-Set"], req.Header["Authorization"] = []string{"*"}, authorization
		signer := &sigv4.Signer{Service: "s3", RegionSet: sigv4.Regions("*")}
		require.ErrorContains(t, signer.Sign(req, sigv4.PayloadHash(nil), secret, now), "has the header X-Amz-Region-Set, which signing adds")
	}
}

// A trace shows the regions that a signature is for.
func TestRegionSetNoted(t *testing.T) {
	note := ""
	ctx := stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) { note = s.Note }})
	ctx, end := stschain.Step{Kind: stschain.StepRequest, Name: "GetObject"}.Start(ctx)
	signer := &sigv4.Signer{Service: "s3", RegionSet: sigv4.Regions("us-east-1", "eu-*")}
	err := signer.Sign(newRequest(t, "GET", mrap, nil).WithContext(ctx), sigv4.PayloadHash(nil), secret, now)
	end(stschain.Credentials{}, err)
	require.NoError(t, err)
	require.Equal(t, "signed with SigV4a for us-east-1,eu-*", note)
}

// A rejected token is replaced as with Signature Version 4.
func TestRegionSetRejected(t *testing.T) {
	srv, tr := regional(t, "s3", sigv4.Regions("*"), "AKID", "AKID2")
	srv.AllowRefusals()
	srv.Revoke("AKID")
	base := ststest.InProcess(srv.Protect("s3", "eu-west-1", nil))
	for name := range ways(tr) {
		next := 0
		rotating := &sigv4.Transport{Scope: tr.Scope, Base: base, Clock: tr.Clock, Credentials: cached(t, func() (stschain.Credentials, error) {
			next++
			return creds([]string{"AKID", "AKID2"}[next-1]), nil
		})}
		requireOK(t, ways(rotating)[name], newRequest(t, "GET", mrap, nil))
		require.Equal(t, 2, next, name)
	}
}

// Many goroutines sign with more credentials than are cached, some of which share the ID: each signature is valid, and by the
// right credentials. The keys that share an ID are those of different servers.
func TestRegionSetOfManyCredentials(t *testing.T) {
	servers := [2]*ststest.Server{ststest.NewTest(t), ststest.NewTest(t)}
	var handlers [2]http.Handler
	var all [100]stschain.Credentials
	for i, srv := range servers {
		srv.Clock = fixedClock(now)
		handlers[i] = srv.Protect("s3", "", nil)
	}
	for i := range all {
		all[i] = stschain.Credentials{
			AccessKeyID:     fmt.Sprint("AKID", i/2),
			SecretAccessKey: stschain.NewSecret(fmt.Sprintf("secret-%d-%d", i/4, i%2)), // as of two others
			SessionToken:    stschain.NewSecret(fmt.Sprint("token-", i%2)),
		}
		servers[i%2].AddKeys(fmt.Sprint("arn:aws:iam::123456789012:user/", i/2), all[i])
	}
	signer := &sigv4.Signer{Service: "s3", RegionSet: sigv4.Regions("us-east-1", "eu-*")}
	hash := sigv4.PayloadHash(nil)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for n := range 4 {
				i := (g*31 + n*7) % len(all)
				req, err := http.NewRequest(http.MethodGet, mrap, nil)
				if err == nil {
					err = signer.Sign(req, hash, all[i], now)
				}
				if err != nil {
					t.Error(err)
					return
				}
				req.Body = http.NoBody
				rec := httptest.NewRecorder()
				handlers[i%2].ServeHTTP(rec, req)
				if want := fmt.Sprint("arn:aws:iam::123456789012:user/", i/2); rec.Code != 200 || rec.Body.String() != want {
					t.Errorf("credentials %d: %d %s, want %s", i, rec.Code, rec.Body, want)
				}
			}
		})
	}
	wg.Wait()
}
