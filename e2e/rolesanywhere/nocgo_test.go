//go:build !cgo

package rolesanywhere_test

import "testing"

func TestHelper(t *testing.T) { t.Skip("the credential helper needs cgo, and so a C compiler") }

func TestToken(t *testing.T) { t.Skip("PKCS #11 needs cgo, and so a C compiler") }
