package proof

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// DSQL generates passwords for roles of Amazon Aurora DSQL clusters. A
// connection that was made with a password stays open after the password
// expires.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html
type DSQL struct {
	Credentials stschain.Provider // required; retrieved through stschain.Cached. They need dsql:DbConnect, or dsql:DbConnectAdmin
	Region      string            // required: the cluster's, "us-east-1"
	Endpoint    string            // required: host name of the cluster, "abc.dsql.us-east-1.on.aws"
	Admin       bool              // true: the password is only for the role admin
	Duration    time.Duration     // of a password: whole seconds, up to 7 days. 0: 15 minutes
	MinLife     time.Duration     // see the package comment; up to Duration
	Clock       stschain.Clock    // nil: the system clock

	connector connector
}

// Token returns a password.
func (d *DSQL) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no DSQL password")
	if d.Duration < 0 || d.Duration > 7*24*time.Hour || d.Duration%time.Second != 0 {
		return Token{}, stschain.Permanent(fmt.Errorf("Duration is %v, and whole seconds up to 168h0m0s are allowed", d.Duration))
	}
	action := "DbConnect"
	if d.Admin {
		action = "DbConnectAdmin"
	}
	return d.connector.password(ctx, connection{
		credentials: d.Credentials, service: "dsql", region: d.Region,
		fields: []field{{"Endpoint", d.Endpoint, isHost, "a host name (abc.dsql.us-east-1.on.aws)"}},
		host:   d.Endpoint, query: url.Values{"Action": {action}},
		life: d.Duration, minLife: d.MinLife, clock: d.Clock,
	})
}
