package ststest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// TOTP is a virtual MFA device: codes of six digits that change every
// 30 seconds, according to RFC 6238 with SHA-1, like the virtual devices of
// IAM.
type TOTP struct {
	Serial string          // "arn:aws:iam::123456789012:mfa/alice"
	Secret stschain.Secret // required: the seed in base32, as in the QR code of IAM
	Clock  stschain.Clock  // nil: the system clock. For MFAToken
}

// totpStep is how long a code is current.
const totpStep = 30 * time.Second

// AddTOTP registers a new virtual device for a user, by name or ARN, and
// returns it. Its serial is the user's ARN with mfa instead of user; its codes
// follow the server's clock. A code is accepted once, from one step before it
// is current until one step after.
func (s *Server) AddTOTP(user string) TOTP {
	arn := user
	if !strings.HasPrefix(user, "arn:") {
		arn = "arn:aws:iam::" + AccountID + ":user/" + user
	}
	if !principalARN.MatchString(arn) {
		s.mistake(fmt.Errorf("AddTOTP: %q is neither a name nor the ARN of a user or an account's root", user))
		return TOTP{}
	}
	name := "root-account-mfa-device"
	if resource := resourceOf(arn); resource != "root" {
		name = resource[strings.LastIndex(resource, "/")+1:]
	}
	seed := make([]byte, sha1.Size)
	rand.Read(seed)
	d := TOTP{
		Serial: "arn:" + partitionOf(arn) + ":iam::" + accountOf(arn) + ":mfa/" + name,
		Secret: stschain.NewSecret(base32.StdEncoding.EncodeToString(seed)),
		Clock:  clockFunc(s.now),
	}
	s.AddMFA(MFA{Serial: d.Serial, User: arn, Verify: d.Verify})
	return d
}

// Code returns the code at an instant; "" if Secret is not base32.
func (d TOTP) Code(at time.Time) string {
	// Seeds are often written with spaces, in lower case, without padding.
	text := strings.ToUpper(strings.ReplaceAll(strings.TrimRight(d.Secret.Reveal(), "="), " ", ""))
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil || len(seed) == 0 {
		return ""
	}
	mac := hmac.New(sha1.New, seed)
	binary.Write(mac, binary.BigEndian, at.Unix()/int64(totpStep/time.Second))
	sum := mac.Sum(nil)
	truncated := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) &^ (1 << 31)
	return fmt.Sprintf("%06d", truncated%1_000_000)
}

// Verify reports whether the code is current at an instant, or in the step before or after. It is for [MFA].Verify.
func (d TOTP) Verify(code string, at time.Time) bool {
	for _, off := range []time.Duration{-totpStep, 0, totpStep} {
		if shown := d.Code(at.Add(off)); shown != "" && hmac.Equal([]byte(shown), []byte(code)) {
			return true
		}
	}
	return false
}

// MFAToken returns the current code. Use it for the field MFAToken of a
// provider. It refuses serials other than the device's.
func (d TOTP) MFAToken(ctx context.Context, serial string) (stschain.Secret, error) {
	if err := ctx.Err(); err != nil {
		return stschain.Secret{}, err
	}
	if serial != d.Serial {
		return stschain.Secret{}, fmt.Errorf("ststest: no code for the MFA device %q: this device is %q", serial, d.Serial)
	}
	now := time.Now()
	if d.Clock != nil {
		now = d.Clock.Now()
	}
	code := d.Code(now)
	if code == "" {
		return stschain.Secret{}, errors.New("ststest: TOTP.Secret is empty or not base32")
	}
	return stschain.NewSecret(code), nil
}
