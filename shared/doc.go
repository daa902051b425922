// Package shared lets processes and machines share the credentials that one of them obtained.
package shared
