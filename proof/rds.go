package proof

import (
	"context"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// RDS generates passwords for users of Amazon RDS and Aurora databases: MySQL, MariaDB and PostgreSQL. A
// password is valid for 15 minutes; a connection that was made with it stays open.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
type RDS struct {
	Credentials stschain.Provider // required; retrieved through stschain.Cached. They need rds-db:connect
	Region      string            // required: the database's, "eu-west-1"
	Endpoint    string            // required: host:port of the database or its proxy, with its RDS host name: a DNS alias does not work
	User        string            // required: of the database
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the system clock

	connector connector
}

// Token returns a password.
func (r *RDS) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no RDS password")
	return r.connector.password(ctx, connection{
		credentials: r.Credentials, service: "rds-db", region: r.Region,
		fields: []field{{"Endpoint", r.Endpoint, isHostPort, "host:port (db.example.eu-west-1.rds.amazonaws.com:5432)"}, {name: "User", value: r.User}},
		host:   r.Endpoint, query: url.Values{"Action": {"connect"}, "DBUser": {r.User}},
		minLife: r.MinLife, clock: r.Clock,
	})
}
