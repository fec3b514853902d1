package natsstate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// TestServerAsksTheStoreToGo: a server announces its end to a store, again and again under load. What
// is under way is answered, and what comes meanwhile is not cut: no change is in doubt, and no read fails.
func TestServerAsksTheStoreToGo(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, memory := range []bool{false, true} { // side by side, and in groups
		srv := natstest.Alone(t, server.Options{JetStream: true, StoreDir: t.TempDir()})
		s := open(t, natsstate.Options{URL: srv.ClientURL(), Memory: memory})
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for shard := range uint32(4) {
			token := fenced(t, s, shard, state.Token{})
			wg.Go(func() { // ends with ctx
				for n := uint64(1); ctx.Err() == nil; n++ {
					c, body := set(token, "k", n, fmt.Sprint(n)), fmt.Sprint(n)
					c.Events = []state.Event{{Number: n}} // a batch
					if err := commit(t, s, c); err != nil {
						t.Errorf("change %d of shard %d: %v", n, shard, err)
						return
					}
					es, _, err := s.Read(patient(t), token, state.Range{Shard: shard, Kind: "account", Key: "k"})
					if err != nil || len(es) != 1 || string(es[0].Record.State) != body {
						t.Errorf("shard %d: read %v, %v; want %s", shard, es, err, body)
						return
					}
				}
			})
		}
		for range 10 {
			goes(t, srv, s)
		}
		stop()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// goes returns when the server has asked the store's connection to go, and it has.
func goes(t *testing.T, srv *server.Server, s *natsstate.Store) {
	t.Helper()
	before, _ := s.Conn().GetClientID()
	if err := srv.LDMClientByID(before); err != nil {
		t.Fatal(err)
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for ctx := patient(t); ; {
		if id, err := s.Conn().GetClientID(); err == nil && id != before && s.Conn().IsConnected() {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("the store stays")
		}
	}
}

// TestCloseWhileTheStoreGoes: what waits for another server ends with the store.
func TestCloseWhileTheStoreGoes(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := natstest.Alone(t, server.Options{JetStream: true, StoreDir: t.TempDir()})
	s := open(t, natsstate.Options{URL: srv.ClientURL()})
	token := fenced(t, s, 1, state.Token{})
	before, _ := s.Conn().GetClientID()
	if err := srv.LDMClientByID(before); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(50) {
		done := make(chan error, 1)
		s.Commit(set(token, "k", n+1, "x"), func(_ state.Rev, err error) { done <- err })
		if n == 25 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		select {
		case err := <-done:
			if n > 25 && !errors.Is(err, state.ErrClosed) {
				t.Errorf("change %d after Close: %v", n, err)
			}
		case <-patient(t).Done():
			t.Fatalf("change %d has no answer", n)
		}
	}
}
