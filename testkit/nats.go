package testkit

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsReady bounds the start of an embedded NATS server.
const natsReady = 10 * time.Second

// StartNATS starts a NATS server in this process, on a free port of the loopback
// interface, and returns its URL. The server ends with the test.
func StartNATS(t testing.TB) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatalf("testkit.StartNATS: %v", err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(natsReady) {
		t.Fatalf("testkit.StartNATS: no connection within %v", natsReady)
	}
	return s.ClientURL()
}
