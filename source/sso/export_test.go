package sso

import "net"

var (
	AfterPoll        = afterPoll
	CachePath        = cachePath
	QuoteASCII       = quoteASCII
	RegistrationName = registrationName
	IsPage           = isPage
)

// Listen makes the redirect of the browser arrive at a listener.
func (l *Login) Listen(listener net.Listener) {
	l.listen = func() (net.Listener, error) { return listener, nil }
}
