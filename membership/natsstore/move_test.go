package natsstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
)

// TestServerAsksTheStoreToGo: a server announces its end to a store, again and again under load. What
// is under way is answered, and what comes meanwhile waits: no write and no snapshot fails.
func TestServerAsksTheStoreToGo(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := natstest.Alone(t, server.Options{JetStream: true, StoreDir: t.TempDir()})
	s := open(t, natsstore.Options{URL: srv.ClientURL()})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for lane := range 4 {
		wg.Go(func() { // ends with ctx
			key, rev := fmt.Sprint("n.lane", lane), uint64(0)
			for n := 0; ctx.Err() == nil; n++ {
				next, err := s.Write(patient(t), key, rev, fmt.Append(nil, n))
				if err != nil {
					t.Errorf("write %d of %s: %v", n, key, err)
					return
				}
				rev = next
				if _, _, err := s.Snapshot(patient(t), "n."); err != nil {
					t.Errorf("snapshot %d of lane %d: %v", n, lane, err)
					return
				}
			}
		})
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for range 10 {
		before, _ := s.Conn().GetClientID()
		if err := srv.LDMClientByID(before); err != nil {
			t.Error(err)
			break
		}
		for ctx := patient(t); ctx.Err() == nil; <-again.C {
			if id, err := s.Conn().GetClientID(); err == nil && id != before && s.Conn().IsConnected() {
				break
			}
		}
		if id, _ := s.Conn().GetClientID(); id == before {
			t.Error("the store stays")
			break
		}
	}
	stop()
	wg.Wait()
}
