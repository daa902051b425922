// Package howto compiles the code of these pages; see its tests.
package howto
