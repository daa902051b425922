package sso

import (
	"net"
	"time"
)

var (
	CachePath        = cachePath
	QuoteASCII       = quoteASCII
	RegistrationName = registrationName
	IsPage           = isPage
)

// AfterPoll decides what follows a request for the token.
func AfterPoll(kind string, err error, every time.Duration) (error, time.Duration) {
	return afterPoll(kind, err, every)
}

// Listen makes the redirect of the browser arrive at a listener.
func (l *Login) Listen(listener net.Listener) {
	l.listen = func() (net.Listener, error) { return listener, nil }
}
