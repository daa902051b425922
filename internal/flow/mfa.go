package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// MFA is the MFA device that the fields SerialNumber and MFAToken of a flow describe. The zero MFA means no device.
type MFA struct {
	Serial string
	Token  func(ctx context.Context, serial string) (stschain.Secret, error)
}

// SendMFA sends a request with a code of the device, and once more with another code if STS rejects the
// first one. Without a device the code is zero. The client's credentials are retrieved before the user
// is prompted.
func SendMFA[Out any](ctx context.Context, client *stsquery.Client, d MFA, send func(code stschain.Secret) (Out, error)) (out Out, err error) {
	switch {
	case client == nil:
		return out, Missing("Client")
	case (d.Serial == "") != (d.Token == nil):
		return out, stschain.Permanent(errors.New("SerialNumber and MFAToken go together: set both or neither"))
	case d.Token == nil:
		return send(stschain.Secret{})
	}
	if _, err := signingCredentials(ctx, client); err != nil {
		return out, err
	}
	code, err := d.code(ctx)
	if err != nil {
		return out, err
	}
	sent, rejected := send(code)
	if !codeRejected(rejected) {
		return sent, rejected
	}
	other, err := d.code(ctx)
	switch {
	case err != nil:
		return out, fmt.Errorf("%w; no other code: %w", rejected, err)
	case other == code:
		return out, fmt.Errorf("%w; MFAToken returned the same code again", rejected)
	}
	return send(other)
}

// code prompts for a code.
func (d MFA) code(ctx context.Context) (stschain.Secret, error) {
	if err := stschain.Prompt(ctx); err != nil {
		return stschain.Secret{}, fmt.Errorf("no MFA code for %s: %w", d.Serial, err)
	}
	code, err := d.Token(ctx, d.Serial)
	if err != nil {
		return stschain.Secret{}, fmt.Errorf("no MFA code: %w", err)
	}
	code = stschain.NewSecret(strings.TrimSpace(code.Reveal()))
	if code.IsZero() {
		return stschain.Secret{}, errors.New("no MFA code: MFAToken returned an empty one")
	}
	return code, nil
}

// codeRejected reports whether STS rejected a wrong or used code.
func codeRejected(err error) bool {
	e, ok := errors.AsType[*stsquery.Error](err)
	return ok && e.Code == "AccessDenied" && strings.Contains(e.Message, "MultiFactorAuthentication failed")
}
