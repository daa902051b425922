package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stschain-go/stschain"
)

// WriteProcess retrieves credentials from p and writes them to w as the output of a credential_process:
// one JSON object on one line, in one Write. If it fails nothing is written; the program then prints the
// error on its standard error and exits with 1.
//
// Expiration is when the credentials expire, and is missing if they never do. The SDKs run the program
// again before that, and the AWS CLI runs it for every command: nothing is cached between runs.
//
// p is called through [stschain.Cached], with its timeout. It must not read the
// profile whose credential_process is this program, as the default chain of the
// SDKs does if that is the default profile: the program would start itself
// endlessly.
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
