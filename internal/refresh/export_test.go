package refresh

// What the tests of this package see beyond its API.
var (
	PauseAfterSuccess        = pauseAfterSuccess
	BackoffAfterFailure      = backoffAfterFailure
	BackoffAfterRefusal      = backoffAfterRefusal
	BackoffAfterFirstFailure = backoffAfterFirstFailure
	Plus                     = plus
	Span                     = span
)
