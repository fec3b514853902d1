package natsstate

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/testkit"
)

// A reader that was too slow has lost publications: its watches are told.
func TestSlowConsumer(t *testing.T) {
	url := testkit.StartNATS(t)
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
