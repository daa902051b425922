package stsquery_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/stsquery"
)

// Report: aws-sdk-go-v2#1575.
func TestConformance(t *testing.T) {
	dir := conformance.Dir(t)
	t.Run("requests", func(t *testing.T) { testRequests(t, filepath.Join(dir, "requests")) })
	t.Run("endpoints", func(t *testing.T) { testEndpoints(t, filepath.Join(dir, "endpoints")) })
	t.Run("clock-skew", func(t *testing.T) { testClockSkew(t, filepath.Join(dir, "clock-skew")) })
	t.Run("examples", func(t *testing.T) { testExamples(t, filepath.Join(dir, "requests")) })
	t.Run("responses", func(t *testing.T) { testResponses(t, filepath.Join(dir, "responses")) })
}

// call calls the operation of an input.
func call(ctx context.Context, c *stsquery.Client, in stsquery.Input) (out any, err error) {
	if _, ok := in.(stsquery.CertificateInput); ok {
		creds, id, err := c.CallWithCertificate(ctx)
		return &stsquery.GetSessionTokenOutput{Credentials: creds, RequestID: id}, err
	}
	method := reflect.ValueOf(c).MethodByName(strings.TrimSuffix(reflect.TypeOf(in).Name(), "Input"))
	args := []reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(in)}
	results := method.Call(args[:method.Type().NumIn()]) // GetCallerIdentity takes no input
	err, _ = results[1].Interface().(error)
	return results[0].Interface(), err
}

// members are those of a structure of the STS model. They are strings, numbers, members or lists of these.
type members = map[string]any

// renamed are the fields that have another name than in the model.
var renamed = map[string]string{"DurationSeconds": "Duration", "ContextAssertion": "Assertion", "Expiration": "Expires"}

// fill sets a field, or the fields of a structure, to what the model has.
func fill(t *testing.T, field reflect.Value, value any) {
	if m, ok := value.(members); ok && field.Kind() == reflect.String {
		value = m["arn"] // of a policy
	}
	switch field.Interface().(type) {
	case stschain.Secret:
		field.Set(reflect.ValueOf(stschain.NewSecret(value.(string))))
	case time.Time:
		at, err := time.Parse(time.RFC3339Nano, value.(string))
		require.NoError(t, err)
		field.Set(reflect.ValueOf(at))
	case time.Duration, int:
		n, err := strconv.ParseInt(fmt.Sprint(value), 10, 64)
		require.NoError(t, err)
		if field.Type() == reflect.TypeFor[time.Duration]() {
			n *= int64(time.Second)
		}
		field.SetInt(n)
	case string:
		field.SetString(value.(string))
	default:
		if field.Kind() == reflect.Slice {
			for _, item := range listOf(value) {
				field.Set(reflect.Append(field, reflect.Zero(field.Type().Elem())))
				fill(t, field.Index(field.Len()-1), item)
			}
			return
		}
		for name, member := range value.(members) {
			part := field.FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) || f == renamed[name] })
			require.True(t, part.IsValid(), "%s has no %s", field.Type(), name)
			fill(t, part, member)
		}
	}
}

// listOf returns the items of a list, of JSON or of a form.
func listOf(value any) (items []any) {
	if list, ok := value.([]any); ok {
		return list
	}
	numbered := value.(members)["member"].(members)
	for i := range len(numbered) {
		items = append(items, numbered[strconv.Itoa(i+1)])
	}
	return items
}

// inputOf returns the input of an operation with members of the model.
func inputOf(t *testing.T, operation string, m members) stsquery.Input {
	in := reflect.New(reflect.TypeOf(whole[operation].in)).Elem()
	fill(t, in, m)
	return in.Interface().(stsquery.Input)
}

// testRequests compares requests with every member with snapshots: method, path, content type, and the
// decoded form.
func testRequests(t *testing.T, dir string) {
	for operation := range whole {
		t.Run(operation, func(t *testing.T) {
			snap, err := os.ReadFile(filepath.Join(dir, operation+".request.snap"))
			require.NoError(t, err)
			parts := strings.SplitN(string(snap), "\n\n", 3)
			require.Len(t, parts, 3)
			want, err := url.ParseQuery(strings.TrimSpace(parts[2]))
			require.NoError(t, err)
			in := inputOf(t, operation, nested(want))
			for field, value := range reflect.ValueOf(in).Fields() {
				if field.Name != "Token" && field.Name != "SessionNotOnOrAfter" { // which are not sent
					require.False(t, value.IsZero(), field.Name)
				}
			}

			var got *http.Request
			c, s := scripted(step{status: 400})
			transport := c.HTTPClient.Transport
			c.Endpoint = "https://sts.example.com" // the limits of AWS do not apply there
			c.HTTPClient.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				got = r
				return transport.RoundTrip(r)
			})
			_, err = call(t.Context(), c, in)
			require.Error(t, err)
			require.Equal(t, parts[0], got.Method+" "+got.URL.Path)
			require.Equal(t, parts[1], "Content-Type: "+got.Header.Get("Content-Type"))
			form, err := url.ParseQuery(s.bodies[0])
			require.NoError(t, err)
			require.Equal(t, want, form)
		})
	}
}

// nested returns the members in a form.
func nested(form url.Values) members {
	root := members{}
	for name := range form {
		if name == "Action" || name == "Version" {
			continue
		}
		path := strings.Split(name, ".")
		at := root
		for _, part := range path[:len(path)-1] {
			if at[part] == nil {
				at[part] = members{}
			}
			at = at[part].(members)
		}
		at[path[len(path)-1]] = form.Get(name)
	}
	return root
}

// testExamples runs the examples of the STS model in both directions: the input encodes to what the model
// has, and the response decodes to its output.
func testExamples(t *testing.T, dir string) {
	raw, err := os.ReadFile(filepath.Join(dir, "examples-1.json"))
	require.NoError(t, err)
	var file struct {
		Examples map[string][]struct {
			ID            string
			Input, Output members
		}
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	run := 0
	for operation, examples := range file.Examples {
		for _, example := range examples {
			run++
			t.Run(example.ID, func(t *testing.T) {
				var body strings.Builder
				writeXML(&body, members{operation + "Response": members{
					operation + "Result": example.Output, "ResponseMetadata": members{"RequestId": "req-1"},
				}})
				c, s := scripted(step{status: 200, body: body.String()})
				c.Endpoint = "https://sts.example.com" // some examples lack required members
				got, err := call(t.Context(), c, inputOf(t, operation, example.Input))
				require.NoError(t, err)
				want := reflect.New(reflect.TypeOf(whole[operation].out).Elem())
				fill(t, want.Elem(), example.Output)
				want.Elem().FieldByName("RequestID").SetString("req-1")
				if creds := want.Elem().FieldByName("Credentials"); creds.IsValid() {
					creds.FieldByName("Origin").SetString(operation)
				}
				require.Equal(t, want.Interface(), got)

				sent, err := url.ParseQuery(s.bodies[0])
				require.NoError(t, err)
				form := url.Values{"Action": {operation}, "Version": {"2011-06-15"}}
				flatten(form, "", example.Input)
				require.Equal(t, form, sent)
			})
		}
	}
	require.Equal(t, 9, run)
}

// writeXML writes members as a response does.
func writeXML(b *strings.Builder, value any) {
	m, ok := value.(members)
	if !ok {
		xml.EscapeText(b, []byte(fmt.Sprint(value)))
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b.WriteString("<" + name + ">")
		writeXML(b, m[name])
		b.WriteString("</" + name + ">")
	}
}

// flatten writes members as a request does.
func flatten(form url.Values, name string, value any) {
	switch value := value.(type) {
	case members:
		for member, v := range value {
			flatten(form, strings.TrimPrefix(name+"."+member, "."), v)
		}
	case []any:
		for i, v := range value {
			flatten(form, fmt.Sprintf("%s.member.%d", name, i+1), v)
		}
	default:
		form.Set(name, fmt.Sprint(value))
	}
}

// recorded has the code or the summary of each recorded response.
var recorded = map[string]struct{ code, summary string }{
	"minio/AssumeRole.ok":                            {summary: "5Z4P7RE6ZKR5I8QUHSRR 2026-11-21T17:56:58Z"},
	"minio/AssumeRole.badkey":                        {code: "AccessDenied"},
	"minio/AssumeRole.badsig":                        {code: "AccessDenied"},
	"minio/AssumeRole.badduration":                   {code: "InvalidParameterValue"},
	"minio/AssumeRole.unsigned":                      {code: "InvalidParameterValue"},
	"minio/GetCallerIdentity.unsupported":            {code: "InvalidParameterValue"},
	"minio/AssumeRoleWithCertificate.ok":             {summary: "WQ59I6DB2AM1RTI79KAH 2026-11-21T18:41:58Z"},
	"minio/AssumeRoleWithCertificate.nocert":         {code: "MissingParameter"},
	"minio/AssumeRoleWithWebIdentity.ok":             {summary: "VNGGWXWZSW59WTXEQ6KM 2026-11-21T17:56:58Z CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs"},
	"minio/AssumeRoleWithWebIdentity.badtoken":       {code: "InvalidParameterValue"},
	"moto/AssumeRoleWithSAML.ok":                     {summary: "ASIARZPUZDIKPNKI4PFS 2026-11-21T18:11:59.359954Z arn:aws:sts::123456789012:assumed-role/r1/alice@example.com AROA3X42LBCDUBNFEHFLF:alice@example.com AROA3X42LBCDSQ0BC2TVW:alice@example.com persistent http://localhost:3000/ https://signin.aws.amazon.com/saml B64EncodedStringOfHashOfIssuerAccountIdAndUserId="},
	"moto/AssumeRoleWithWebIdentity.ok":              {summary: "ASIARZPUZDIKEQFFZILD 2026-11-21T18:41:59.074138Z arn:aws:sts::123456789012:assumed-role/r1/sess ARO123EXAMPLE123:sess"},
	"moto/GetAccessKeyInfo.ok":                       {summary: "123456789012"},
	"moto/GetFederationToken.ok":                     {summary: "AKIAIOSFODNN7EXAMPLE 2026-11-22T05:41:59.019514Z arn:aws:sts::123456789012:federated-user/bob 123456789012:bob"},
	"versitygw/AssumeRoleWithWebIdentity.badtoken":   {code: "InvalidIdentityToken"},
	"versitygw/AssumeRoleWithWebIdentity.validation": {code: "ValidationError"},
	"moto/AssumeRole.ok":                             {summary: "ASIARZPUZDIKB2X75B24 2026-11-21T17:56:58.981264Z arn:aws:sts::123456789012:assumed-role/r1/sess AROA3X42LBCDEDRZO83XF:sess"},
	"moto/auth.AssumeRole.denied":                    {code: "SignatureDoesNotMatch"},
	"moto/GetSessionToken.ok":                        {summary: "AKIAIOSFODNN7EXAMPLE 2026-11-22T05:41:59.003474Z"},
	"moto/GetCallerIdentity.ok":                      {summary: "AKIAIOSFODNN7EXAMPLE 123456789012 arn:aws:sts::123456789012:user/moto"},
	"moto/auth.GetCallerIdentity.ok":                 {summary: "e4tcixab65j992z42w98 123456789012 arn:aws:iam::123456789012:user/alice"},
	"moto/auth.GetCallerIdentity.badsig":             {code: "SignatureDoesNotMatch"},
	"moto/auth.GetCallerIdentity.badkey":             {code: "InvalidClientTokenId"},
	"versitygw/GetCallerIdentity.ok":                 {summary: "000000000000 000000000000 arn:aws:iam::000000000000:root"},
	"versitygw/GetCallerIdentity.badkey":             {code: "InvalidClientTokenId"},
	"versitygw/GetCallerIdentity.badsig":             {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.expired":            {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.unsigned":           {code: "MissingAuthenticationToken"},
	"versitygw/GetCallerIdentity.badversion":         {code: "InvalidAction"},
	"versitygw/GetCallerIdentity.badscope-region":    {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.badscope-service":   {code: "SignatureDoesNotMatch"},
}

// summary returns the texts and times of an output, without secrets.
func summary(v reflect.Value) (texts []string) {
	for field, value := range v.Fields() {
		switch x := value.Interface().(type) {
		case time.Time:
			texts = append(texts, x.Format(time.RFC3339Nano))
		case string:
			if field.Name != "RequestID" && field.Name != "Origin" && x != "" {
				texts = append(texts, x)
			}
		case stschain.Secret:
		default:
			if value.Kind() == reflect.Struct {
				texts = append(texts, summary(value)...)
			}
		}
	}
	return texts
}

// testResponses replays recorded responses of real servers.
func testResponses(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.http"))
	require.NoError(t, err)
	require.Len(t, recorded, len(files))
	for _, file := range files {
		rel, err := filepath.Rel(dir, file)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.ToSlash(rel), ".http")
		t.Run(name, func(t *testing.T) {
			want, ok := recorded[name]
			require.True(t, ok, "not in the table")
			operation := strings.Split(strings.TrimPrefix(filepath.Base(name), "auth."), ".")[0]
			in := whole[operation].in
			if operation == "AssumeRoleWithCertificate" {
				in = stsquery.CertificateInput{}
			}
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			c := &stsquery.Client{
				Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1", Endpoint: "https://sts.example.com",
				HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					return http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
				})},
				Retry:                      stsquery.Retry{MaxAttempts: 1},
				DisableClockSkewCorrection: true, // the responses are old
			}
			out, err := call(t.Context(), c, in)
			if want.code == "" {
				require.NoError(t, err)
				require.Equal(t, want.summary, strings.Join(summary(reflect.ValueOf(out).Elem()), " "))
				require.NotEmpty(t, reflect.ValueOf(out).Elem().FieldByName("RequestID").String())
				return
			}
			var e *stsquery.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, want.code, e.Code)
			require.NotEmpty(t, e.Message)
			require.NotEmpty(t, e.RequestID)
			require.GreaterOrEqual(t, e.StatusCode, 400)
		})
	}
}
