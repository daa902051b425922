// Package migrate checks the pages of docs/migrate: their tables name what exists, and their code before and after a migration
// sends the same requests to the same fake STS.
package migrate
