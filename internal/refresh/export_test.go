package refresh

// What the tests of this package see beyond its API.
var (
	Plus = plus
	Span = span
)
