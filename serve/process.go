package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stschain-go/stschain"
)

// WriteProcess asks p and writes the credentials to w as the output of a
// credential_process: one JSON object on one line, in one Write. If it fails nothing is
// written; the program then prints the error on its standard error and exits with 1.
//
// Expiration is when the credentials end, and is missing if they never do. The SDKs run
// the program again when that nears, and the AWS CLI runs it for every command: nothing
// is kept between runs.
//
// p is asked through [stschain.Cached], with its bound on time. It must not read the
// profile that names the program, as the default chain of the SDKs does where that is the
// default profile: the program would run itself, without end.
func WriteProcess(ctx context.Context, w io.Writer, p stschain.Provider) error {
	if p == nil {
		return errors.New("serve: WriteProcess needs a provider")
	}
	creds, err := stschain.Cached(p).Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	document, err := processDocument(creds, time.Now())
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if _, err := w.Write(document); err != nil {
		return fmt.Errorf("serve: writing the credentials: %w", err)
	}
	return nil
}
