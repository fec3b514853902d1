package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// written is a log that is written while it is read.
type written struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

// lines are those that contain a text.
func (w *written) lines(text string) (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.Lines(w.buf.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// saver is an entity that saves what it has at its end, and takes its time to begin
// where it is told to.
type saver struct {
	slow  bool
	saves *atomic.Int32
}

func (s *saver) begin(c *actor.Context) error {
	if !s.slow {
		return nil
	}
	<-c.Done()
	return c.Err()
}

func (s *saver) save(*actor.Context) error                  { s.saves.Add(1); return nil }
func (s *saver) add(_ *actor.Context, _ add) (total, error) { return total{}, nil }
func savers(saves *atomic.Int32) *actor.Definition[saver] {
	return actor.Define("saver", func(key string) *saver { return &saver{key == "slow", saves} },
		actor.OnRequest((*saver).add), actor.OnActivate((*saver).begin), actor.OnPassivate((*saver).save))
}

// TestKeysLostWithALeaseAreOneLine: how many, and why; no error for each of them. Their
// stop hooks do not run. An activation that is cut off says that it was the lease.
func TestKeysLostWithALeaseAreOneLine(t *testing.T) {
	const keys = 300
	synctest.Test(t, func(t *testing.T) {
		lc, log := newLiving(t), &written{}
		var saves, others atomic.Int32
		defer lc.close()
		l := &link{Store: lc.store}
		a := lc.startOn(cluster.NodeOptions{
			NodeID: "a", Membership: l, Handler: cluster.NewActorHandler(savers(&saves).New), Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		<-a.Ready()
		for i := range keys {
			if _, err := cluster.NewRequest[add, total](lc.client().Key(fmt.Sprint("k-", i))).Request(t.Context(), add{1}); err != nil {
				t.Fatal(err)
			}
		}
		late := make(chan error, 1)
		go func() { // ends with its deadline
			ctx, cancel := context.WithTimeout(context.Background(), 9*time.Second)
			defer cancel()
			_, err := cluster.NewRequest[add, total](lc.client().Key("slow")).Request(ctx, add{1})
			late <- err
		}()
		synctest.Wait()
		l.cut.Store(true)
		b := lc.startOn(cluster.NodeOptions{NodeID: "b", Membership: lc.store, Handler: cluster.NewActorHandler(savers(&others).New)})
		time.Sleep(40 * time.Second) // b has the shards
		l.cut.Store(false)
		time.Sleep(20 * time.Second)
		if err := <-late; err == nil {
			t.Error("a request to a key that was never activated has succeeded")
		}
		told := log.lines("keys were lost")
		if len(told) != 1 || !strings.Contains(told[0], fmt.Sprintf("keys=%d stop_hooks_cut_off=0", keys)) || !strings.Contains(told[0], `why="the node's lease has ended"`) {
			t.Errorf("told in %d lines, want one of %d keys:\n%s", len(told), keys, strings.Join(told, ""))
		}
		if n := saves.Load(); n != 0 {
			t.Errorf("%d stop hooks of keys that were lost have run", n)
		}
		if bad := log.lines("level=ERROR"); len(bad) > 0 {
			t.Errorf("%d errors:\n%s", len(bad), strings.Join(bad[:1], ""))
		}
		if cut := log.lines(`msg="activation failed"`); len(cut) != 1 || !strings.Contains(cut[0], "the node's lease on the shard has ended") {
			t.Errorf("an activation that the end of the lease has cut off: %q", cut)
		}
		lc.end(a, b)
	})
}
