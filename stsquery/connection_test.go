package stsquery_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// A retry uses the connection of the failed attempt.
// Source: retry.md, B: connections are not closed after a transient error.
func TestRetryKeepsConnection(t *testing.T) {
	var connections, requests atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch requests.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "down")
		case 2:
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, stsError("InternalFailure", "oops"))
		default:
			io.WriteString(w, assumeRoleResponse)
		}
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1", Endpoint: srv.URL, HTTPClient: srv.Client()}
	_, err := c.AssumeRole(t.Context(), roleInput)
	require.NoError(t, err)
	require.EqualValues(t, 3, requests.Load())
	require.EqualValues(t, 1, connections.Load())
}
