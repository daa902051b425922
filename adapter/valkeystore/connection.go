package valkeystore

import (
	"cmp"
	"context"

	"github.com/valkey-io/valkey-go"
)

const buffer = 64 << 10 // valkey-go's default is 512 KiB, twice a connection

// connection is a client of valkey-go, which has connections to one or more servers.
type connection struct {
	scripts map[operation]*valkey.Lua
	ready   chan struct{} // closed once the fields below are set
	client  valkey.Client
	err     error
}

// connect returns the current connection. All callers share an attempt to make one, which is bounded by the timeout of
// Client.Dialer and not by ctx.
func (s *Store) connect(ctx context.Context) (*connection, error) {
	s.mu.Lock()
	c := s.connection
	if c == nil {
		c = &connection{ready: make(chan struct{})}
		s.connection = c
		go s.dial(c)
	}
	s.mu.Unlock()
	select {
	case <-c.ready:
		return c, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Store) dial(c *connection) {
	defer close(c.ready)
	c.scripts = newScripts()
	c.client, c.err = valkey.NewClient(s.options())
	if c.err != nil {
		s.forget(c)
		if c.client != nil {
			c.client.Close()
		}
	}
}

func (s *Store) options() valkey.ClientOption {
	o := s.Client
	o.DisableRetry = true // an operation whose reply was lost may have been executed
	o.DisableCache = true // saves memory, and the right to CLIENT TRACKING
	o.DialCtxFn = dialChecked(s.Client)
	o.PipelineMultiplex = cmp.Or(o.PipelineMultiplex, -1)
	o.ReadBufferEachConn = cmp.Or(o.ReadBufferEachConn, buffer)
	o.WriteBufferEachConn = cmp.Or(o.WriteBufferEachConn, buffer)
	if o.ClientSetInfo == nil {
		o.ClientSetInfo = valkey.DisableClientSetInfo // saves the right to CLIENT SETINFO
	}
	return o
}

// forget makes the next operation connect again. It reports whether c was the current connection, and so is the caller's
// to close.
func (s *Store) forget(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connection != c {
		return false
	}
	s.connection = nil
	return true
}

// Close closes the connections and fails the operations that use them. A later operation connects again. Programs that use
// the store as long as they run need not call it.
func (s *Store) Close() {
	s.mu.Lock()
	c := s.connection
	s.mu.Unlock()
	if c == nil {
		return
	}
	<-c.ready
	if c.err == nil && s.forget(c) {
		c.client.Close()
	}
}
