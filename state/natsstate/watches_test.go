package natsstate

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/state"
)

// startNATS starts a server; the test kit's links this package.
func startNATS(t *testing.T) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if s.Start(); !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server takes no connections")
	}
	return s.ClientURL()
}

// A reader that was too slow has lost publications: its watches are told.
func TestSlowConsumer(t *testing.T) {
	url := startNATS(t)
	s, err := Open(t.Context(), Options{URL: url, Client: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen := make(chan state.Entry, 8)
	stop, err := s.Watch(state.Range{Shard: 7, Kind: "account", Key: "a"}, func(e state.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	s.heard(nats.ErrSlowConsumer)
	if e := <-seen; e.Rev != 0 || e.Shard != 7 || e.Kind != "account" || e.Key != "a" {
		t.Errorf("told %+v", e)
	}
	stop()
	s.heard(nats.ErrSlowConsumer)
	select {
	case e := <-seen:
		t.Errorf("told %+v after its end", e)
	default:
	}
}
