package flow

import (
	"context"
	"fmt"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// LongLivedKeys returns what the client signs with, and an error that explains itself if
// that has a session token. It returns nothing if the client has no credentials
// at all, which the client has its own words for.
func LongLivedKeys(ctx context.Context, client *stsquery.Client, operation string) (stschain.Credentials, error) {
	base := client.Cache()
	if base == nil {
		return stschain.Credentials{}, nil
	}
	ctx, end := stschain.Step{Provider: base}.Start(ctx)
	creds, err := base.Retrieve(ctx)
	end(creds, err)
	switch {
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("no credentials to sign with: %w", err)
	case !creds.SessionToken.IsZero():
		return stschain.Credentials{}, stschain.Permanent(fmt.Errorf("Client.Credentials are temporary (%s, from %s), and STS gives %s only to the long-lived keys of a user: "+
			"sign with those, or use the temporary ones as they are", creds.AccessKeyID, creds.Origin, operation))
	}
	return creds, nil
}
