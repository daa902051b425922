package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/stschain-go/stschain"
)

// RDS makes passwords for users of databases in Amazon RDS and Aurora: MySQL,
// MariaDB and PostgreSQL. A password is good for 15 minutes; a connection that was
// made with one stays.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
//
// Format: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
type RDS struct {
	Credentials stschain.Provider // required; asked through stschain.Cached. They need rds-db:connect
	Region      string            // required: the database's, "eu-west-1"
	Endpoint    string            // required: host:port of the database or its proxy, as RDS calls it: an alias in DNS will not do
	User        string            // required: of the database
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the real one

	connector connector
}

// Token returns a password.
func (r *RDS) Token(ctx context.Context) (Token, error) {
	t, err := r.token(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("proof: no RDS password: %w", err)
	}
	return t, nil
}

func (r *RDS) token(ctx context.Context) (Token, error) {
	switch {
	case r == nil:
		return Token{}, stschain.Permanent(errors.New("the RDS is nil"))
	case r.Endpoint == "":
		return Token{}, stschain.Permanent(errors.New("Endpoint is missing"))
	case !isHostPort(r.Endpoint):
		return Token{}, stschain.Permanent(fmt.Errorf("Endpoint is %.128q, and host:port is needed: db.example.eu-west-1.rds.amazonaws.com:5432", r.Endpoint))
	case r.User == "":
		return Token{}, stschain.Permanent(errors.New("User is missing"))
	}
	query := url.Values{"Action": {"connect"}, "DBUser": {r.User}}
	return r.connector.password(ctx, connection{
		credentials: r.Credentials, service: "rds-db", region: r.Region,
		url:  url.URL{Host: r.Endpoint, Path: "/", RawQuery: query.Encode()},
		life: signatureLife, minLife: r.MinLife, clock: r.Clock,
	})
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, badPort := strconv.ParseUint(port, 10, 16)
	u, badURL := url.Parse("https://" + s + "/")
	return err == nil && badPort == nil && badURL == nil && host != "" && n > 0 && u.Host == s
}
