package docs_test

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/stsquery"
)

const troubleshooting = "troubleshooting.md"

// table is a table of the page.
type table struct {
	section string
	columns []string
	rows    [][]string
}

// tables reads the tables of the page.
func tables(t *testing.T) (all []table) {
	t.Helper()
	text, err := os.ReadFile(troubleshooting)
	require.NoError(t, err)
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		heading, isHeading := strings.CutPrefix(line, "## ")
		switch {
		case isHeading:
			section = heading
		case strings.HasPrefix(line, "|---"):
		case !strings.HasPrefix(line, "| "):
			all = append(all, table{}) // the next row begins a table
		default:
			cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ")
			last := &all[len(all)-1]
			if last.columns == nil {
				last.section, last.columns = section, cells
				continue
			}
			require.Len(t, cells, len(last.columns), line)
			require.NotContains(t, cells, "", line)
			last.rows = append(last.rows, cells)
		}
	}
	return slices.DeleteFunc(all, func(t table) bool { return t.columns == nil })
}

// pattern is the regular expression of a text in which "..." stands for anything.
func pattern(text string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)` + strings.ReplaceAll(regexp.QuoteMeta(strings.Trim(text, "`")), `\.\.\.`, `.*`))
}

func allCases() map[string]func(t *testing.T) error {
	all := maps.Clone(sourceCases)
	maps.Copy(all, callCases)
	return all
}

// TestTexts makes the errors of the page: each text is of an error, and each error has a text.
func TestTexts(t *testing.T) {
	errs, used := map[string]string{}, map[string]bool{}
	for name, c := range allCases() {
		err := c(t)
		require.Error(t, err, name)
		errs[name] = err.Error()
	}
	for _, table := range tables(t) {
		if table.columns[0] != "text" {
			continue
		}
		for _, row := range table.rows {
			produced := false
			for name, text := range errs {
				if pattern(row[0]).MatchString(text) {
					produced, used[name] = true, true
				}
			}
			require.True(t, produced, "no error has the text %s", row[0])
		}
	}
	for name, text := range errs {
		require.True(t, used[name], "the page does not have the error of %s: %s", name, text)
	}
}

// The parts of an error, at the top of the page.
func TestTroubleshootingParts(t *testing.T) {
	refusal := `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/alice is not authorized</Message></Error><RequestId>4711</RequestId></ErrorResponse>`
	err := retrieve(&profile.Provider{
		Profile: "prod", Home: "/home/me", LookupEnv: variables("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", "SECRET"),
		Open:       home(".aws/config", "[profile prod]\nrole_arn = "+roleARN+"\ncredential_source = Environment\nregion = eu-west-1\n"),
		HTTPClient: &http.Client{Transport: respond{status: http.StatusForbidden, body: refusal}},
	})
	require.EqualError(t, err, "profile prod: assumerole: arn:aws:iam::123456789012:role/backup: stsquery: AssumeRole at sts.eu-west-1.amazonaws.com: 403 Forbidden: AccessDenied: User: arn:aws:iam::123456789012:user/alice is not authorized (request 4711); the role's trust policy must admit the caller with the external ID, tags and MFA as sent, and the caller needs sts:AssumeRole on the role")
}

// TestTroubleshootingTypes checks that each error type and each sentinel of the exported packages has a row, with its text.
func TestTroubleshootingTypes(t *testing.T) {
	types := map[string]error{
		"stschain.ChainError": &stschain.ChainError{Attempts: []stschain.Attempt{{Provider: "env", Err: stschain.Unavailable("env: not set")}}},
		"stsquery.Error": &stsquery.Error{
			Operation: "AssumeRole", Endpoint: "sts.eu-west-1.amazonaws.com", Attempts: 1, StatusCode: http.StatusForbidden, Code: "AccessDenied", Message: "no", RequestID: "4711",
		},
		"grants.Error": &grants.Error{
			Operation: "CreateSession", Host: "bucket", StatusCode: http.StatusForbidden, Code: "AccessDenied", Message: "no", RequestID: "4711",
		},
		"proof.SignInError": &proof.SignInError{
			Operation: "CreateBearerToken", Endpoint: "signin", StatusCode: http.StatusForbidden, Code: "AccessDeniedException", Message: "no", RequestID: "4711",
		},
	}
	want, named := sentinels(t), map[string]bool{}
	for _, table := range tables(t) {
		if table.columns[0] != "name" {
			continue
		}
		for _, row := range table.rows {
			name := strings.Trim(row[0], "`")
			named[name] = true
			text, ok := want[name]
			require.True(t, ok, "%s does not exist", name)
			if err := types[name]; err != nil {
				text = err.Error()
			}
			require.Regexp(t, "^"+pattern(row[1]).String()+"$", text)
		}
	}
	for name := range want {
		require.True(t, named[name], "%s has no row", name)
	}
}

// The hints of the codes are those of the code, in the same order, and each is printed for its code.
func TestTroubleshootingHints(t *testing.T) {
	hints := hintTables(t)
	for _, table := range tables(t) {
		if table.columns[len(table.columns)-1] != "remedy, as printed" {
			continue
		}
		print, known := printers[table.section]
		if !known {
			continue // Valkey's are those of a function
		}
		t.Run(table.section, func(t *testing.T) {
			var rows [][]string
			for _, row := range table.rows {
				cells := slices.Delete(slices.Clone(row), len(row)-2, len(row)-1) // the cause
				for i := range cells[:len(cells)-1] {
					cells[i] = strings.Trim(strings.TrimPrefix(cells[i], "any"), "`")
				}
				rows = append(rows, cells)
			}
			require.Equal(t, hints[print.file], rows)
			delete(hints, print.file)
			for _, row := range rows {
				require.Contains(t, print.text(t, row), "; "+row[len(row)-1])
			}
		})
	}
	require.Empty(t, hints, "hints without a table")
}

// Other hints, which functions return, are somewhere on the page.
func TestTroubleshootingHintTexts(t *testing.T) {
	page, err := os.ReadFile(troubleshooting)
	require.NoError(t, err)
	verb := regexp.MustCompile(`%[a-z]`)
	for _, hint := range hintTexts(t) {
		text := verb.ReplaceAllString(strings.Trim(hint, " :;"), "...")
		require.Regexp(t, pattern(text), string(page), hint)
	}
}

// A program can distinguish errors of the page by class, as it says.
func TestTroubleshootingClasses(t *testing.T) {
	for name, want := range map[string]error{
		"env, half": stschain.ErrPermanent, "sts, limits": stschain.ErrPermanent, "sts, timeout": nil, "sso, ended": stschain.ErrPermanent,
	} {
		err := allCases()[name](t)
		if want == nil {
			require.NotErrorIs(t, err, stschain.ErrPermanent, name)
			continue
		}
		require.True(t, errors.Is(err, want), "%s: %v", name, err)
	}
}
