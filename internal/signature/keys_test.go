package signature_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/internal/test/canary"
)

// Many goroutines with more credentials than are cached sign with the right ones, and with theirs only. Credentials share
// the ID, the secret or the token with others. Issues: aws-sdk-go-v2#3350, kube2iam#316.
func TestKeysOfManyCredentials(t *testing.T) {
	var all []stschain.Credentials
	var secrets, tokens []string
	for i := range 100 {
		id, secret, token := fmt.Sprint("AKID", i/4), fmt.Sprint("secret-", i/2), strings.Repeat(fmt.Sprint("token-", i%4), 1+i%10)
		secrets, tokens = append(secrets, secret), append(tokens, token)
		all = append(all, credentials(id, secret, token))
	}
	var keys signature.Keys
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for n := range 15 {
				i := (g*31 + n*7) % len(all)
				key, err := keys.Get(all[i], scope, at)
				if err != nil || key.Token != tokens[i] {
					t.Errorf("credentials %d have the token %q and the error %v", i, key.Token, err)
					return
				}
				r := &signature.Request{Method: "GET", Payload: "p", Header: []signature.Field{{Name: "X-Amz-Security-Token", Values: []string{key.Token}}}}
				want := "AWS4-HMAC-SHA256 Credential=" + all[i].AccessKeyID + "/20150830/us-east-1/iam/aws4_request, " +
					"SignedHeaders=x-amz-security-token, Signature=" + signed(secrets[i], scope, r)
				if got := key.Authorization(r, date); got != want {
					t.Errorf("credentials %d: Authorization is %q, want %q", i, got, want)
				}
				query := query(key, &signature.Request{Method: "GET", Payload: "p"}, date, signature.Presigning{Seconds: 1})
				unsigned, sig, _ := strings.Cut(query, "&X-Amz-Signature=")
				if want := signed(secrets[i], scope, &signature.Request{Method: "GET", Payload: "p", Query: unsigned}); sig != want || !strings.HasSuffix(unsigned, "-Token="+tokens[i]) {
					t.Errorf("credentials %d: query is %q, want the signature %s", i, query, want)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, keys.Len(), 64)
}

func TestKeysOfScopes(t *testing.T) {
	var keys signature.Keys
	c, r := credentials("AKID", "s", ""), &signature.Request{Method: "GET", Payload: "p"}
	for _, s := range []signature.Scope{
		{Date: "20150830", Region: "r1", Service: "a"}, {Date: "20150831", Region: "r1", Service: "a"},
		{Date: "20150830", Region: "r2", Service: "a"}, {Date: "20150830", Region: "r1", Service: "b"},
	} {
		key, err := keys.Get(c, s, at)
		require.NoError(t, err)
		require.Equal(t, signed("s", s, r), after(key.Authorization(r, date), "Signature="))
		require.Same(t, key, keys.Last())
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = keys.Get(c, scope, at) }))
}

func TestKeysRefused(t *testing.T) {
	var keys signature.Keys
	for want, c := range map[string]stschain.Credentials{
		"SecretAccessKey contains white space; trim it where it is read":                           credentials("AKID", "s\n", ""),
		"SessionToken contains white space; trim it where it is read":                              credentials("AKID", "s", "t "),
		"AccessKeyID contains a character beyond ASCII, which no access key ID has; copy it again": credentials("AKIÐ", "s", ""),
		"the credentials lack AccessKeyID or SecretAccessKey":                                      credentials("", "s", "t"),
	} {
		for range 2 {
			_, err := keys.Get(c, scope, at)
			require.EqualError(t, err, want)
		}
	}
	require.Zero(t, keys.Len())
}

// A key is not kept longer than its credentials are valid, or than its day.
func TestKeysExpire(t *testing.T) {
	var keys signature.Keys
	get := func(c stschain.Credentials, date string, at time.Time) weak.Pointer[signature.Key] {
		key, err := keys.Get(c, signature.Scope{Date: date, Region: "r", Service: "s"}, at)
		require.NoError(t, err)
		return weak.Make(key)
	}
	expiring := credentials("EXPIRING", "s", "t")
	expiring.Expires = at.Add(time.Hour)
	long, never := expiring, credentials("NEVER", "s", "")
	long.AccessKeyID, long.Expires = "LONG", at.Add(48*time.Hour)
	keep := []weak.Pointer[signature.Key]{get(long, "20150830", at), get(never, "20150830", at)}
	drop := []weak.Pointer[signature.Key]{get(expiring, "20150830", at)}

	keep = append(keep, get(credentials("NEXT", "s", ""), "20150830", expiring.Expires))
	runtime.GC()
	for i, key := range drop {
		require.Nil(t, key.Value(), i)
	}
	for i, key := range keep {
		require.NotNil(t, key.Value(), i)
	}

	drop = append(drop, keep...)
	get(never, "20150831", at.Add(12*time.Hour))
	runtime.GC()
	for i, key := range drop {
		require.Nil(t, key.Value(), i)
	}
	require.Equal(t, 1, keys.Len())
}

// Memory that is used again has nothing of the credentials that it was used with.
func TestSpacesAreWiped(t *testing.T) {
	const token = "canary/session/token/of/another/caller"
	nothing := sha256.Sum256(nil)
	var keys signature.Keys
	for _, size := range []int{1, 100, 3000} { // 3000 tokens are more than a space keeps
		key, err := keys.Get(credentials("AKID", "canary-secret", strings.Repeat(token, size)), scope, at)
		require.NoError(t, err)
		r := &signature.Request{Method: "GET", Query: "b=2&a=1", Payload: "p",
			Header: []signature.Field{{Name: "X-Amz-Security-Token", Values: []string{key.Token}}}}
		key.Authorization(r, date)
		query(key, r, date, signature.Presigning{Seconds: 1})
		query(key, r, date, signature.Presigning{Seconds: 1, TokenUnsigned: true})
		for range 10 { // a Pool may drop what it was given
			for _, memory := range keys.FreeMemory() {
				require.LessOrEqual(t, cap(memory), 64<<10)
				require.Empty(t, bytes.Trim(memory[:cap(memory)], "\x00"))
			}
			key.Authorization(r, date)
			require.Equal(t, nothing[:], keys.FreeSum())
		}
	}
}

func TestKeysCannotBePrinted(t *testing.T) {
	var keys signature.Keys
	key, err := keys.Get(credentials("AKID", "canary-secret", "canary-token"), scope, at)
	require.NoError(t, err)
	key.Authorization(&signature.Request{Method: "GET"}, date)
	derived := signature.DeriveKey("canary-secret", scope)
	for _, secret := range []string{"canary-secret", "canary-token", string(derived[:]), string(key.Inner()[4:36])} {
		canary.Check(t, secret, &keys)
	}
}

func TestDates(t *testing.T) {
	var dates signature.Dates
	zone := time.FixedZone("", 5*3600)
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{at, date}, {at.Add(time.Second - 1), date}, {at.Add(-1), "20150830T123559Z"}, {at.In(zone), date}, {at.Add(time.Second), "20150830T123601Z"},
		{time.Unix(0, 0), "19700101T000000Z"}, {time.Unix(-1, 5), "19691231T235959Z"}, {time.Date(2015, 8, 31, 1, 0, 0, 0, zone), "20150830T200000Z"},
	} {
		require.Equal(t, test.want, dates.Format(test.at))
		require.Equal(t, test.at.UTC().Format("20060102T150405Z"), dates.Format(test.at))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { dates.Format(at) }))
}
