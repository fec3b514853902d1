// StartNATS, NATSServer

package testkit

import (
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsReady bounds the start of an embedded NATS server.
const natsReady = 10 * time.Second

// NATSServer is a NATS server in this process. Its methods must not be called beside
// each other.
type NATSServer struct {
	t    testing.TB
	opts *server.Options
	s    *server.Server // nil while stopped
	url  string
}

// StartNATS starts a NATS server in this process, on a free port of the loopback
// interface, and returns its URL once it takes connections. The server ends with
// the test.
func StartNATS(t testing.TB) (url string) {
	t.Helper()
	return StartNATSServer(t, nil).URL()
}

// StartNATSServer is StartNATS for a server that can be stopped and started
// again, with options of nats-server: MaxPayload, users, TLS, JetStream with a
// StoreDir of the test's. The options are copied; nil is the zero value. An
// empty Host is the loopback interface, Port 0 a free one, and the server
// neither logs nor takes signals. It fails the test if the server does not take
// connections within 10 seconds.
func StartNATSServer(t testing.TB, opts *server.Options) *NATSServer {
	t.Helper()
	if opts == nil {
		opts = &server.Options{}
	}
	n := &NATSServer{t: t, opts: opts.Clone()}
	if n.opts.Host == "" {
		n.opts.Host = "127.0.0.1"
	}
	if n.opts.Port == 0 {
		n.opts.Port = server.RANDOM_PORT
	}
	n.opts.NoLog, n.opts.NoSigs = true, true
	t.Cleanup(n.Stop)
	n.start()
	return n
}

// URL returns where to connect to. It is the same after Restart.
func (n *NATSServer) URL() string { return n.url }

// Stop ends the server: its clients lose their connection. It returns when the
// server has ended, and does nothing if it has ended before.
func (n *NATSServer) Stop() {
	if n.s == nil {
		return
	}
	n.s.Shutdown()
	n.s.WaitForShutdown()
	n.s = nil
}

// Restart stops the server if it runs, starts one with the same options on the
// same port, and returns when that takes connections. Clients find it again by
// themselves, after their own pause: wait for them, not for Restart.
func (n *NATSServer) Restart() {
	n.t.Helper()
	n.Stop()
	n.start()
}

func (n *NATSServer) start() {
	n.t.Helper()
	s, err := server.NewServer(n.opts.Clone()) // which the server changes
	if err != nil {
		n.t.Fatalf("testkit: NATS server: %v", err)
		return
	}
	n.s = s
	s.Start()
	if !s.ReadyForConnections(natsReady) {
		n.t.Fatalf("testkit: NATS server: no connection within %v", natsReady)
		return
	}
	n.url = s.ClientURL()
	if addr, ok := s.Addr().(*net.TCPAddr); ok {
		n.opts.Port = addr.Port // for the next start
	}
}
