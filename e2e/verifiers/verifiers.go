// Package verifiers holds what package proof makes against those who verify it and
// against the libraries that make the same: the token verifier of
// aws-iam-authenticator, golang.org/x/oauth2 for Google Cloud, HashiCorp's awsutil
// for Vault, and AWS's own signers for RDS, ElastiCache, MemoryDB and MSK. It is
// tests only.
package verifiers
