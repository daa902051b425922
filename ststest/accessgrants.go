package ststest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AccessGrants is an instance of S3 Access Grants, for [Server.AccessGrants].
type AccessGrants struct {
	Account     string        // that owns it; "": AccountID
	Region      string        // that signatures must be for; "": the one in the host name, or any if it has none
	Grants      []Grant       // the first that matches applies
	Role        string        // the ARN of the role whose sessions are issued; "": one that the server makes up
	MaxDuration time.Duration // of Role; 0: 12 h
}

// Grant lets a grantee use a bucket or a prefix.
type Grant struct {
	Target     string // its scope: "s3://bucket/prefix/*", or one object
	Permission string // READ, WRITE or READWRITE
	Grantee    string // the ARN of a user or role; "": every caller
}

// AccessGrants returns a handler for GetDataAccess. It checks the signature, the account and every parameter. The credentials that it issues
// are accepted by [Server.Protect]; [Caller.Grant] is what they are for, which a handler behind Protect may check. GetDataAccess is
// among Calls, and faults affect it.
func (s *Server) AccessGrants(g AccessGrants) http.Handler {
	g.Grants = slices.Clone(g.Grants)
	if g.Account == "" {
		g.Account = AccountID
	}
	if g.Role == "" {
		g.Role = "arn:aws:iam::" + g.Account + ":role/access-grants"
	}
	if _, ok := parseRoleARN(g.Role); !ok {
		s.mistake(fmt.Errorf("AccessGrants: Role %q is not the ARN of a role", g.Role))
	}
	return &grantsInstance{s, g}
}

type grantsInstance struct {
	server *Server
	AccessGrants
}

const (
	getDataAccess  = "GetDataAccess"
	dataAccessPath = "/v20180820/accessgrantsinstance/dataaccess"
)

func (g *grantsInstance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, leave := g.server.enter(r)
	defer leave()

	in, no := readDataAccess(r)
	x := g.server.begin(r, in.form)
	x.s3 = true
	var caller identity
	if no == nil {
		rule := rules{service: "s3", region: g.Region, s3: true}
		if labels := strings.Split(r.Host, "."); rule.region == "" && len(labels) > 3 && strings.HasPrefix(labels[1], "s3-control") {
			rule.region = labels[2]
			if labels[2] == "dualstack" {
				rule.region = labels[3]
			}
		}
		var c claim
		caller, c, no = g.server.authenticate(r, in.query, in.body, rule, x.now)
		x.call.Presigned, x.call.Caller, x.call.AccessKeyID, x.call.Region = c.presigned, caller.arn, c.accessKeyID, c.region
		if no != nil {
			no.inS3()
			if no.why == wrongDate && x.fault.skew != 0 {
				no.callersFault = false // the test set the clock
			}
		}
	}
	x.finish(w, r, no, errorResponse, func() (*response, *refusal) { return g.dataAccess(x, r, in.form, caller) })
}

// dataAccessParams are the parameters and their valid values; nil: checked elsewhere.
var dataAccessParams = map[string][]string{
	"target": nil, "durationSeconds": nil, "auditContext": nil,
	"permission": {"READ", "WRITE", "READWRITE"}, "privilege": {"Default", "Minimal"}, "targetType": {"Object"},
}

func readDataAccess(r *http.Request) (input, *refusal) {
	in := input{form: url.Values{"Action": {getDataAccess}}}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	path, query := target(r)
	switch {
	case err != nil || len(body) > 0 || r.Method != http.MethodGet:
		return in, malformed("InvalidRequest", "GetDataAccess is a GET without a body.")
	case path != dataAccessPath:
		return in, malformed("InvalidURI", "The path is not that of GetDataAccess.")
	}
	if in.query, err = parseQuery(query); err != nil {
		return in, malformed("InvalidURI", "The query cannot be decoded.")
	}
	for _, p := range in.query {
		if isAuth(p.key) {
			continue
		}
		values, known := dataAccessParams[p.key]
		if !known || in.form.Has(p.key) || values != nil && !slices.Contains(values, p.value) {
			return in, malformed("InvalidRequest", fmt.Sprintf("The parameter %q occurs twice, is unknown or has an invalid value.", p.key))
		}
		in.form.Set(p.key, p.value)
	}
	return in, nil
}

type dataAccessXML struct {
	XMLName            xml.Name        `xml:"GetDataAccessResult"`
	Xmlns              string          `xml:"xmlns,attr"`
	Credentials        *credentialsXML `xml:",omitempty"`
	MatchedGrantTarget string
	Grantee            struct{ GranteeType, GranteeIdentifier string }
}

func (g *grantsInstance) dataAccess(x *conversation, r *http.Request, form url.Values, caller identity) (*response, *refusal) {
	target, permission, object := form.Get("target"), form.Get("permission"), form.Has("targetType")
	life := time.Hour
	if text := form.Get("durationSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 900 || seconds > 43200 {
			return nil, malformed("InvalidRequest", "durationSeconds is not between 900 and 43200.")
		}
		life = time.Duration(seconds) * time.Second
	}
	label, _, _ := strings.Cut(r.Host, ".")
	switch owner := r.Header.Get("X-Amz-Account-Id"); {
	case len(r.Header.Values("X-Amz-Account-Id")) != 1 || len(label) == 12 && strings.Trim(label, "0123456789") == "" && label != owner:
		return nil, malformed("InvalidRequest", "The header x-amz-account-id is missing, or not the account of the host.")
	case owner != g.Account:
		return nil, &refusal{status: http.StatusNotFound, code: "AccessGrantsInstanceNotExistsError", message: "Access Grants Instance does not exist"}
	case permission == "" || !strings.HasPrefix(target, "s3://") || object == strings.HasSuffix(target, "*"):
		return nil, malformed("InvalidRequest", "permission or target is missing, or targetType does not fit the target.")
	case g.MaxDuration > 0 && life > g.MaxDuration:
		return nil, &refusal{status: http.StatusBadRequest, code: "InvalidRequest", message: "The requested DurationSeconds exceeds the MaxSessionDuration set for the role."}
	}
	at := slices.IndexFunc(g.Grants, func(grant Grant) bool { return grant.allows(caller, target, permission) })
	if at < 0 {
		return nil, forbidden("You do not have " + permission + " permissions to the requested S3 Prefix: " + target)
	}
	grant := g.Grants[at]
	id, no := roleSession(g.Role, "access-grants")
	if no != nil {
		return nil, no
	}
	scope := grant.Target
	if form.Get("privilege") == "Minimal" {
		scope = target
	}
	id.grant = permission + " " + scope
	id.chained = caller.temporary()
	q := &request{server: x.server, now: x.now, fault: x.fault}
	id = x.server.issue(id, q.expiry(life), emptyToken)
	result := dataAccessXML{Xmlns: "http://awss3control.amazonaws.com/doc/2018-08-20/", Credentials: q.show(id), MatchedGrantTarget: grant.Target}
	result.Grantee.GranteeType, result.Grantee.GranteeIdentifier = "IAM", caller.arn
	if caller.role != "" {
		result.Grantee.GranteeIdentifier = caller.role
	}
	return xmlResponse(http.StatusOK, "", requestID(), result), nil
}

// allows reports whether a grant is for a caller, and covers a target and a permission.
func (g Grant) allows(caller identity, target, permission string) bool {
	prefix, open := strings.CutSuffix(g.Target, "*")
	covers := target == g.Target || open && strings.HasPrefix(target, prefix)
	return covers && strings.Contains(g.Permission, permission) && (g.Grantee == "" || g.Grantee == caller.arn || g.Grantee == caller.role)
}
