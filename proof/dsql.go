package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
)

// DSQL makes passwords for roles of clusters in Amazon Aurora DSQL. A connection
// that was made with one stays when it expires.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
//
// Format: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html
type DSQL struct {
	Credentials stschain.Provider // required; asked through stschain.Cached. They need dsql:DbConnect, or dsql:DbConnectAdmin
	Region      string            // required: the cluster's, "us-east-1"
	Endpoint    string            // required: host name of the cluster, "abc.dsql.us-east-1.on.aws"
	Admin       bool              // true: the password is the role admin's, and no other role's
	Duration    time.Duration     // of a password: whole seconds, up to 7 days. 0: 15 minutes
	MinLife     time.Duration     // see the package comment; up to Life
	Clock       stschain.Clock    // nil: the real one

	connector connector
}

// Token returns a password.
func (d *DSQL) Token(ctx context.Context) (Token, error) {
	t, err := d.token(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("proof: no DSQL password: %w", err)
	}
	return t, nil
}

func (d *DSQL) token(ctx context.Context) (Token, error) {
	switch {
	case d == nil:
		return Token{}, stschain.Permanent(errors.New("the DSQL is nil"))
	case d.Endpoint == "":
		return Token{}, stschain.Permanent(errors.New("Endpoint is missing"))
	case !isHostPort(d.Endpoint + ":5432"):
		return Token{}, stschain.Permanent(fmt.Errorf("Endpoint is %.128q, and a host name is needed: abc.dsql.us-east-1.on.aws", d.Endpoint))
	case d.Duration < 0 || d.Duration > 7*24*time.Hour || d.Duration%time.Second != 0:
		return Token{}, stschain.Permanent(fmt.Errorf("Life is %v, and whole seconds up to 168h0m0s are allowed", d.Duration))
	}
	action := "DbConnect"
	if d.Admin {
		action = "DbConnectAdmin"
	}
	return d.connector.password(ctx, connection{
		credentials: d.Credentials, service: "dsql", region: d.Region,
		url:  url.URL{Host: d.Endpoint, Path: "/", RawQuery: "Action=" + action},
		life: cmp.Or(d.Duration, signatureLife), minLife: d.MinLife, clock: d.Clock,
	})
}
