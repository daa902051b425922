package ststest

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// DirectoryBuckets are buckets of S3 Express One Zone, for [Server.DirectoryBuckets].
type DirectoryBuckets struct {
	Region   string       // that signatures must be for; "": the one in the host name, or any if it has none
	Names    []string     // of the buckets that exist; nil: every name of a directory bucket
	ReadOnly []string     // ARNs of the users and roles whose sessions cannot write
	Objects  http.Handler // what requests for objects are passed to, see [CallerFrom]; nil: GET, HEAD, PUT, DELETE and copies of objects in memory
}

// DirectoryBuckets returns a handler for directory buckets: CreateSession, and requests for objects that are signed with a session or with the
// keys of a caller. The bucket is the first label of the host, or at other hosts the first part of the path.
//
// A session is for one bucket, and for five minutes, or [Server.Lifetime]. Its token must be in the signed header
// X-Amz-S3session-Token, or in the query of a presigned URL. A session is refused for CopyObject, UploadPartCopy, HeadBucket and CreateSession, and
// for operations on buckets. [Server.Revoke] ends sessions too. CreateSession is among Calls, and
// faults affect it; requests for objects are not.
func (s *Server) DirectoryBuckets(b DirectoryBuckets) http.Handler {
	b.Names, b.ReadOnly = slices.Clone(b.Names), slices.Clone(b.ReadOnly)
	if b.Objects == nil {
		b.Objects = &objects{stored: map[string][]byte{}}
	}
	return &express{s, b}
}

type express struct {
	server  *Server
	buckets DirectoryBuckets
}

// sessionLife is how long a session of a directory bucket is valid.
const sessionLife = 5 * time.Minute

const sessionToken = "X-Amz-S3session-Token"

func (e *express) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, leave := e.server.enter(r)
	defer leave()

	bucket, key := directoryBucket(r)
	rule := rules{service: "s3express", region: e.buckets.Region, s3: true, unsignedPayload: true}
	if rule.region == "" {
		rule.region = expressRegion(r.Host)
	}
	_, query := target(r)
	params, err := url.ParseQuery(query)
	switch {
	case err != nil:
		e.refuse(w, r, malformed("InvalidURI", "The query cannot be decoded."))
	case params.Has("session") && key == "":
		e.createSession(w, r, bucket, rule)
	default:
		rule.s3Session = len(r.Header.Values(sessionToken)) > 0 || params.Has(sessionToken)
		protected{e.server, rule, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if no := e.allow(r, bucket, key); no != nil {
				e.refuse(w, r, no)
				return
			}
			e.buckets.Objects.ServeHTTP(w, r)
		})}.ServeHTTP(w, r)
	}
}

func (e *express) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	e.server.complain("s3express "+r.Method+" "+r.URL.Path, no)
	a := s3Response(no)
	a.head(w, e.server.now())
	if r.Method != http.MethodHead {
		io.WriteString(w, a.body)
	}
}

// allow checks a request whose signature was accepted.
func (e *express) allow(r *http.Request, bucket, key string) *refusal {
	c, _ := CallerFrom(r.Context())
	s := e.server.bucketSession(c.AccessKeyID)
	if bucket != "" && !e.exists(bucket) {
		return noSuchBucket()
	}
	if s == nil {
		return nil
	}
	switch {
	case r.Header.Get("X-Amz-Copy-Source") != "", key == "" && r.Method != http.MethodGet && r.Method != http.MethodPost:
		no := malformed("AccessDenied", "This operation does not accept a session.")
		no.status = http.StatusForbidden
		return no
	case s.bucket != bucket:
		no := malformed("AccessDenied", "The session is for another bucket.")
		no.status = http.StatusForbidden
		return no
	case s.readOnly && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return forbidden("The session is for reading only.")
	}
	return nil
}

func (e *express) exists(bucket string) bool {
	return isDirectoryBucket(bucket) && (e.buckets.Names == nil || slices.Contains(e.buckets.Names, bucket))
}

func noSuchBucket() *refusal {
	return &refusal{status: http.StatusNotFound, code: "NoSuchBucket", message: "The specified bucket does not exist"}
}

// bucketSession is a session of a directory bucket.
type bucketSession struct {
	identity
	bucket   string
	readOnly bool
}

// bucketSession returns a copy of the record of a session, or nil.
func (s *Server) bucketSession(accessKeyID string) *bucketSession {
	s.lock()
	defer s.mu.Unlock()
	if b := s.bucketSessions[accessKeyID]; b != nil {
		c := *b
		return &c
	}
	return nil
}

func (s *Server) lookupSession(accessKeyID string) (identity, bool) {
	if b := s.bucketSession(accessKeyID); b != nil {
		return b.identity, true
	}
	return identity{}, false
}

// readSessionToken reads the token of a session in place of that of other credentials.
func (c *claim) readSessionToken(r *http.Request, query []param) *refusal {
	tokens := r.Header.Values(sessionToken)
	if c.presigned {
		tokens = append(tokens, valuesOf(query, sessionToken)...)
	}
	if len(tokens) != 1 || c.token != "" {
		return deny(badToken, "The security token included in the request is invalid.").because("there is not exactly one token, that of the session")
	}
	c.token = tokens[0]
	return nil
}

func valuesOf(query []param, key string) (values []string) {
	for _, p := range query {
		if p.key == key {
			values = append(values, p.value)
		}
	}
	return values
}

// createSession implements CreateSession.
func (e *express) createSession(w http.ResponseWriter, r *http.Request, bucket string, rule rules) {
	s := e.server
	x := s.begin(r, url.Values{"Action": {createSession}, "Bucket": {bucket}})
	x.s3 = true
	for name, param := range map[string]string{"X-Amz-Create-Session-Mode": "Mode", encryption: "ServerSideEncryption"} {
		if value := r.Header.Get(name); value != "" {
			x.call.Form.Set(param, value)
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	in := input{form: x.call.Form, body: body}
	_, query := target(r)
	var no *refusal
	if err != nil {
		no = &refusal{status: http.StatusBadRequest, code: "IncompleteBody", message: "The body is incomplete."}
	} else if in.query, err = parseQuery(query); err != nil {
		no = malformed("InvalidURI", "The query cannot be decoded.")
	}
	var caller identity
	if no == nil {
		var c claim
		caller, c, no = s.authenticate(r, in.query, in.body, rule, x.now)
		x.call.Presigned, x.call.Caller, x.call.AccessKeyID, x.call.Region = c.presigned, caller.arn, c.accessKeyID, c.region
		if no != nil {
			no.inS3()
			if no.why == wrongDate && x.fault.skew != 0 {
				no.callersFault = false // the test set the clock
			}
		}
	}
	x.finish(w, r, no, s3Response, func() (*response, *refusal) { return e.session(x, r, in, bucket, caller) })
}

const encryption = "X-Amz-Server-Side-Encryption"

// sessionXML is the result of CreateSession.
type createSessionXML struct {
	XMLName     xml.Name        `xml:"CreateSessionResult"`
	Xmlns       string          `xml:"xmlns,attr"`
	Credentials *credentialsXML `xml:",omitempty"`
}

func (e *express) session(x *conversation, r *http.Request, in input, bucket string, caller identity) (*response, *refusal) {
	mode := r.Header.Get("X-Amz-Create-Session-Mode")
	readOnly := slices.Contains(e.buckets.ReadOnly, caller.arn) || slices.Contains(e.buckets.ReadOnly, caller.role)
	switch {
	case r.Method != http.MethodGet || len(in.body) > 0:
		return nil, malformed("MethodNotAllowed", "CreateSession is a GET without a body.")
	case r.Header.Get(sessionToken) != "":
		return nil, malformed("InvalidToken", "CreateSession does not accept a session.")
	case !isDirectoryBucket(bucket):
		return nil, malformed("InvalidBucketName", "The specified bucket is not a directory bucket.")
	case !e.exists(bucket):
		return nil, noSuchBucket()
	case len(r.Header.Values("X-Amz-Create-Session-Mode")) > 1, mode != "" && mode != "ReadOnly" && mode != "ReadWrite":
		return nil, malformed("InvalidRequest", "The mode is not ReadOnly or ReadWrite.")
	case readOnly && mode == "ReadWrite":
		return nil, forbidden("Access Denied")
	}
	for _, p := range in.query {
		if !isAuth(p.key) && (p.key != "session" || p.value != "") {
			return nil, malformed("InvalidArgument", fmt.Sprintf("The parameter %q is not one of CreateSession.", p.key))
		}
	}
	q := &request{server: x.server, now: x.now, fault: x.fault}
	session := &bucketSession{identity: caller, bucket: bucket, readOnly: readOnly || mode == "ReadOnly"}
	session.revoked = false
	x.server.issueBucketSession(session, q.expiry(sessionLife))
	a := xmlResponse(http.StatusOK, "", requestID(), createSessionXML{Xmlns: "http://s3.amazonaws.com/doc/2006-03-01/", Credentials: q.show(session.identity)})
	for _, name := range []string{encryption, encryption + "-Aws-Kms-Key-Id", encryption + "-Context", encryption + "-Bucket-Key-Enabled"} {
		if value := r.Header.Get(name); value != "" {
			a.header.Set(name, value)
		}
	}
	return a, nil
}

// issueBucketSession creates the keys of a session.
func (s *Server) issueBucketSession(b *bucketSession, expires time.Time) {
	b.creds.Expires, b.creds.SecretAccessKey, b.creds.SessionToken = expires, newSecretKey(), newSessionToken(emptyToken)
	s.lock()
	defer s.mu.Unlock()
	b.creds.AccessKeyID = s.newKeyID("ASIA")
	if s.bucketSessions == nil {
		s.bucketSessions = map[string]*bucketSession{}
	}
	if len(s.bucketSessions) >= maxSessions {
		now := s.now()
		for id, old := range s.bucketSessions {
			if old.creds.ExpiredAt(now) {
				delete(s.bucketSessions, id)
			}
		}
	}
	s.bucketSessions[b.creds.AccessKeyID] = b
}

// directoryBucket returns the bucket and the key of a request.
func directoryBucket(r *http.Request) (bucket, key string) {
	path, _ := target(r)
	key = strings.TrimPrefix(path, "/")
	label, rest, _ := strings.Cut(strings.ToLower(r.Host), ".")
	switch {
	case isDirectoryBucket(label) && rest != "":
		return label, key
	case strings.HasPrefix(label, "s3express-control"), !strings.Contains(rest, "s3express-"):
		bucket, key, _ = strings.Cut(key, "/")
	}
	return bucket, key
}

func isDirectoryBucket(name string) bool {
	parts := strings.Split(name, "--")
	n := len(parts)
	return n >= 3 && parts[0] != "" && parts[n-2] != "" && (parts[n-1] == "x-s3" || parts[n-1] == "xa-s3") &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && len(name) <= 63
}

// expressRegion returns the region of a host of AWS, or "".
func expressRegion(host string) string {
	labels := strings.Split(strings.ToLower(host), ".")
	at := slices.IndexFunc(labels, func(l string) bool { return strings.HasPrefix(l, "s3express-") })
	if at < 0 || at+2 >= len(labels) {
		return ""
	}
	if labels[at+1] == "dualstack" {
		at++
	}
	return labels[at+1]
}

// objects are the objects of buckets.
type objects struct {
	mu     sync.Mutex
	stored map[string][]byte // by bucket, slash and key
}

func (o *objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key := directoryBucket(r)
	name := bucket + "/" + key
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	stored, found := o.stored[name]
	switch r.Method {
	case http.MethodPut:
		if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
			body = o.stored[strings.TrimPrefix(from, "/")]
		}
		o.stored[name] = body
		sum := md5.Sum(body)
		w.Header().Set("Etag", `"`+hex.EncodeToString(sum[:])+`"`)
	case http.MethodDelete:
		delete(o.stored, name)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		if !found && key != "" {
			http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(stored)))
		w.Write(stored)
	default:
		http.Error(w, "<Error><Code>MethodNotAllowed</Code></Error>", http.StatusMethodNotAllowed)
	}
}
