package host_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestLapseRefusesWhatWaits: who waits for a reply behind a turn is told at once to look
// elsewhere; what was accepted of senders who do not wait stays, and so does the
// turn, and other shards.
func TestLapseRefusesWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var j journal
		gate := make(chan struct{})
		w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
			if strings.Contains(ctx.Self().Id, "/1/") {
				ctx.Respond(nil)
			} else {
				j.receive(ctx)
			}
			if typ(ctx) == "block" {
				<-gate
			}
		})})
		running := w.send("k", "block")
		other := newCall()
		w.deliver(1, "k", other, host.Message{Type: "block"})
		synctest.Wait()
		note := newCall()
		note.notify = true
		waits := []*call{w.send("k", "ask"), w.send("k", "ask")}
		w.deliver(0, "k", note, host.Message{Type: "note"})
		w.mail("mail")
		waits = append(waits, w.send("k", "ask"))
		waitsElsewhere := newCall()
		w.deliver(1, "k", waitsElsewhere, host.Message{Type: "ask"})
		w.LapseShard(0)
		w.LapseShard(7) // is not there
		for _, c := range waits {
			if _, err := c.wait(t); !errors.Is(err, outcome.ErrNotOwner) || c.starts != 0 {
				t.Errorf("who waits was told %v after %d starts, want ErrLapsed", err, c.starts)
			}
			c.check(t)
		}
		close(gate)
		for _, c := range []*call{running, note, other, waitsElsewhere} {
			if _, err := c.settled(t); err != nil {
				t.Error(err)
			}
		}
		j.want(t, "in the end", "started", "block", "note", "mail")
	})
}

// TestLapseShard ends the contexts of the hooks that run, whether they have looked
// at theirs or not, and of no others.
func TestLapseShard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		ended := map[string]error{}
		w := newWorld(t, host.Options{HookTimeout: -1, Factory: making(func(key string) *entity {
			return &entity{activate: func(c *host.Context) error {
				switch key {
				case "looks":
					<-c.Done()
				case "does not look":
					<-gate
				case "of another shard":
					select {
					case <-c.Done():
					case <-gate:
					}
				}
				ended[key] = c.Err() // one after the other
				return nil
			}}
		})})
		looks, doesNot, elsewhere := newCall(), newCall(), newCall()
		looks.notify, doesNot.notify = true, true // those who wait are refused
		w.deliver(0, "looks", looks, host.Message{})
		w.deliver(0, "does not look", doesNot, host.Message{})
		w.deliver(1, "of another shard", elsewhere, host.Message{})
		synctest.Wait()
		w.LapseShard(0)
		w.LapseShard(7) // is not there
		if _, err := looks.settled(t); err != nil {
			t.Error(err)
		}
		w.want("later", "go", "") // the lease is back
		gate <- struct{}{}
		synctest.Wait()
		gate <- struct{}{}
		for _, c := range []*call{doesNot, elsewhere} {
			if _, err := c.settled(t); err != nil {
				t.Error(err)
			}
		}
		for key, want := range map[string]bool{"looks": true, "does not look": true, "of another shard": false, "later": false} {
			if err := ended[key]; (err != nil) != want {
				t.Errorf("the hook of key %q: its context ended with %v", key, err)
			}
		}
	})
}

// TestLapseShardEndsPeriodicWork that runs.
func TestLapseShardEndsPeriodicWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBeat()
		work := func(b *beat, c *actor.Context) error {
			<-c.Done()
			b.ticked <- struct{}{}
			return c.Err()
		}
		w := newWorld(t, host.Options{HookTimeout: -1, Factory: b.define(actor.Every(time.Second, work)).New})
		if _, err := w.request("k", "Go").settled(t); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		synctest.Wait()
		w.LapseShard(0)
		await(t, b.ticked, "the end of the work")
	})
}

// TestActivationThatHasLostItsShard is nobody's fault: its sender looks for the
// next owner.
func TestActivationThatHasLostItsShard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, host.Options{HookTimeout: -1, Factory: making(func(string) *entity {
			return &entity{activate: func(c *host.Context) error {
				<-c.Done()
				return c.Err()
			}}
		})})
		first := w.send("k", "go")
		synctest.Wait()
		w.LapseShard(0)
		if _, err := first.wait(t); !errors.Is(err, outcome.ErrNotOwner) || errors.Is(err, outcome.ErrActivationFailed) {
			t.Errorf("who waits was told %v, want ErrLapsed", err)
		}
		first.check(t)
	})
}
