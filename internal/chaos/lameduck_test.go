package chaos

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// replace has a server announce its end and end, starts it again, and returns when it has what it has missed.
func (w *world) replace(i int) {
	w.t.Helper()
	s := w.servers[i]
	if _, err := fmt.Fprintln(s.stdin, lameDuck); err != nil {
		w.t.Fatalf("%s: %v", s.name, err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			w.t.Errorf("%s ended with %v", s.name, err)
		}
	case <-time.After(time.Minute):
		w.t.Fatalf("%s: has not ended within a minute of its announcement", s.name)
	}
	w.startServer(i)
	w.servers[i].awaitReady()
	nc, err := nats.Connect(w.url(), nats.MaxReconnects(-1))
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	giveUp := time.After(time.Minute)
	for _, stream := range []string{members, "KV_" + bucket} {
		for !w.complete(js, stream) {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-giveUp:
				w.t.Fatalf("the stream %s has not been on all servers for a minute", stream)
			}
		}
	}
}

// complete reports whether all servers have all of a stream.
func (w *world) complete(js jetstream.JetStream, stream string) bool {
	s, err := js.Stream(w.t.Context(), stream)
	if err != nil {
		return false
	}
	c := s.CachedInfo().Cluster
	current := 0
	for _, r := range c.Replicas {
		if r.Current && !r.Offline {
			current++
		}
	}
	return c.Leader != "" && current == len(w.servers)-1
}
