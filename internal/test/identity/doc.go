// Package identity tests the identities of all flows and sources.
package identity
