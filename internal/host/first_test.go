package host_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/turn"
)

// heldUp is a world of one worker, which is held up until the test lets it go.
type heldUp struct {
	*world
	order []string // of the keys that have run; guarded by the limit
	held  *call
	goOn  chan struct{}
	calls []*call
}

// holdUp makes one in which some keys are active already.
func holdUp(t *testing.T, active ...string) *heldUp {
	w := &heldUp{goOn: make(chan struct{})}
	held := make(chan struct{})
	w.world = newWorldOn(t, host.Options{Factory: making(func(key string) *entity {
		return &entity{handle: func(c *host.Context) {
			if c.Message().Type == "hold" {
				close(held)
				<-w.goOn
			} else if c.Message().Type == "note" {
				w.order = append(w.order, key)
			}
			c.Call().Reply(nil, nil)
		}}
	})}, slog.New(slog.DiscardHandler), 1)
	for _, key := range append(active, "holds") {
		w.want(key, "warm", "")
	}
	w.held = w.send("holds", "hold")
	await(t, held, "the one that runs")
	return w
}

// note sends a message to a key for which a turn waits; nil is none.
func (w *heldUp) note(key string, waiting *host.Turn) {
	c := newCall()
	c.waiting = waiting
	w.deliver(0, key, c, host.Message{Type: "note", Key: key})
	w.calls = append(w.calls, c)
}

// ran lets the worker go on when all keys have been started, and returns them in the order in which they have run.
func (w *heldUp) ran(t *testing.T) []string {
	synctest.Wait()
	close(w.goOn)
	for _, c := range append(w.calls, w.held) {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
	}
	return w.order
}

// TestWhatATurnWaitsForStartsFirst: a key that a turn of this process asks does not stand behind all keys that have messages,
// whether the key is new or not. A turn that came by a wire may be a client's invention, and gives no such right.
func TestWhatATurnWaitsForStartsFirst(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprintf("new=%t", fresh), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { startsFirst(t, fresh) })
		})
	}
}

func startsFirst(t *testing.T, fresh bool) {
	keys := []string{"plain", "claimed", "other", "asked"}
	active := keys
	if fresh {
		active = nil
	}
	w := holdUp(t, active...)
	asking := turn.New(1, turn.Key, "", "asks", nil)
	defer asking.End()
	waiting := map[string]*host.Turn{"asked": asking, "claimed": {Number: asking.Number, Key: "asks"}}
	for _, key := range keys {
		w.note(key, waiting[key])
	}
	if got, want := w.ran(t), []string{"asked", "plain", "claimed", "other"}; !slices.Equal(got, want) {
		t.Errorf("the keys ran in the order %v, want %v", got, want)
	}
}

// TestNewKeysThatTurnsAskLeaveOthersTheirTurn: a key with a plain message, the last that has come, is reached while turns ask many new keys.
func TestNewKeysThatTurnsAskLeaveOthersTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := holdUp(t)
		asking := turn.New(1, turn.Key, "", "asks", nil)
		defer asking.End()
		for i := range 50 {
			w.note(fmt.Sprint("asked", i), asking)
		}
		w.note("plain", nil)
		if at := slices.Index(w.ran(t), "plain"); at > 10 || at < 1 {
			t.Errorf("the plain one ran as number %d", at)
		}
	})
}
