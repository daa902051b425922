package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// MFA is an MFA device, and who tells the code that it shows. The zero MFA
// is none.
type MFA struct {
	Serial string
	Token  func(ctx context.Context, serial string) (stschain.Secret, error)
}

// Check finds a half that is missing. Flows call their fields SerialNumber and
// MFAToken.
func (d MFA) Check() error {
	switch {
	case d.Token != nil && d.Serial == "":
		return stschain.Permanent(errors.New("SerialNumber is missing, and MFAToken is set: both or none"))
	case d.Token == nil && d.Serial != "":
		return stschain.Permanent(errors.New("MFAToken is missing, and SerialNumber is set: both or none"))
	}
	return nil
}

// SendMFA has a request sent with a code of the device, and once more with another
// code if STS rejects the first one. Without a device the request is sent as it
// is. The client's own credentials are got first.
func SendMFA[Out any](ctx context.Context, d MFA, client *stsquery.Client, send func(code stschain.Secret) (*Out, error)) (*Out, error) {
	if d.Token == nil {
		return send(stschain.Secret{})
	}
	if base := client.Cache(); base != nil {
		ctx, end := stschain.Step{Provider: base}.Start(ctx)
		creds, err := base.Retrieve(ctx)
		if end(creds, err); err != nil {
			return nil, fmt.Errorf("no credentials to sign with: %w", err)
		}
	}
	code, err := d.code(ctx)
	if err != nil {
		return nil, err
	}
	out, rejected := send(code)
	if !codeRejected(rejected) {
		return out, rejected
	}
	other, err := d.code(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; and there is no other code: %w", rejected, err)
	case other == code:
		return nil, fmt.Errorf("%w; and MFAToken gave the same code again", rejected)
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
		return stschain.Secret{}, errors.New("no MFA code: MFAToken gave an empty one")
	}
	return code, nil
}

// codeRejected reports whether STS took a wrong or a used code for the reason to
// refuse.
func codeRejected(err error) bool {
	e, ok := errors.AsType[*stsquery.Error](err)
	return ok && e.Code == "AccessDenied" && strings.Contains(e.Message, "MultiFactorAuthentication failed")
}
