package ststest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

// TestTOTPVectors has the SHA-1 cases of RFC 6238, appendix B, cut to six digits.
func TestTOTPVectors(t *testing.T) {
	d := ststest.TOTP{Secret: stschain.NewSecret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")} // "12345678901234567890"
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		require.Equal(t, want, d.Code(time.Unix(at, 0)), "%d", at)
	}
	lower := ststest.TOTP{Secret: stschain.NewSecret("gezd gnbv gy3t qojq gezd gnbv gy3t qojq==")}
	require.Equal(t, "287082", lower.Code(time.Unix(59, 0)), "as users write it")
	for _, bad := range []string{"", "=", "0", "not base32!"} {
		d := ststest.TOTP{Secret: stschain.NewSecret(bad)}
		require.Empty(t, d.Code(time.Unix(59, 0)), "%q", bad)
		require.False(t, d.Verify("", time.Unix(59, 0)), "%q", bad)
		_, err := d.MFAToken(t.Context(), "")
		require.ErrorContains(t, err, "TOTP.Secret")
	}
}

func TestTOTPWindow(t *testing.T) {
	d := ststest.TOTP{Secret: stschain.NewSecret("GEZDGNBVGY3TQOJQ")}
	shown := time.Unix(1_800_000_000, 0) // the beginning of a step
	for offset, want := range map[time.Duration]bool{
		-30*time.Second - 1: false, -30 * time.Second: true, 0: true, 59 * time.Second: true, 60*time.Second - 1: true, 60 * time.Second: false,
	} {
		require.Equal(t, want, d.Verify(d.Code(shown), shown.Add(offset)), offset)
	}
}

func TestAddTOTP(t *testing.T) {
	srv, mock := fixed(t)
	device := srv.AddTOTP("alice")
	require.Equal(t, "arn:aws:iam::123456789012:mfa/alice", device.Serial)
	user := srv.User().Credentials
	session := func(code string) reply {
		return call(t, srv, user, form("GetSessionToken", "SerialNumber", device.Serial, "TokenCode", code))
	}
	code, err := device.MFAToken(t.Context(), device.Serial)
	require.NoError(t, err)
	require.Equal(t, device.Code(start), code.Reveal())
	got := session(code.Reveal())
	require.Equal(t, 200, got.status, got.body)
	caller, _ := srv.Caller(got.credentials().AccessKeyID)
	require.True(t, caller.MFA)
	require.Equal(t, "MultiFactorAuthentication failed with invalid MFA one time pass code.", session(code.Reveal()).Error.Message, "used")
	require.Equal(t, 403, session(device.Code(start.Add(-time.Minute))).status, "too old")
	mock.Add(time.Minute)
	require.Equal(t, 200, session(device.Code(start.Add(30*time.Second))).status, "a step ago")
	code, err = device.MFAToken(t.Context(), device.Serial)
	require.NoError(t, err)
	require.Equal(t, device.Code(start.Add(time.Minute)), code.Reveal(), "by the server's clock")

	_, err = device.MFAToken(t.Context(), "other")
	require.ErrorContains(t, err, `"other"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = device.MFAToken(ctx, device.Serial)
	require.ErrorIs(t, err, context.Canceled)

	require.Equal(t, "arn:aws-cn:iam::210987654321:mfa/bob", srv.AddTOTP("arn:aws-cn:iam::210987654321:user/team/bob").Serial)
	require.Equal(t, "arn:aws:iam::123456789012:mfa/root-account-mfa-device", srv.AddTOTP("arn:aws:iam::123456789012:root").Serial)
	require.NotEqual(t, device.Secret, ststest.New().AddTOTP("alice").Secret)
	canary.Check(t, device.Secret.Reveal(), device, &device)
}
