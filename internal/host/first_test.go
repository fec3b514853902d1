package host_test

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/turn"
)

// TestWhatATurnWaitsForStartsFirst: a key that a turn of this process asks does not stand behind all keys that have messages.
// A turn that came by a wire may be a client's invention, and gives no such right.
func TestWhatATurnWaitsForStartsFirst(t *testing.T) {
	var order []string // guarded by the limit
	hold, held := make(chan struct{}), make(chan struct{})
	w := newWorldOn(t, host.Options{Factory: making(func(key string) *entity {
		return &entity{handle: func(c *host.Context) {
			if c.Message().Type == "hold" {
				close(held)
				<-hold
			} else if c.Message().Type == "note" {
				order = append(order, key)
			}
			c.Call().Reply(nil, nil)
		}}
	})}, slog.New(slog.DiscardHandler), 1)
	keys := []string{"plain", "claimed", "other", "asked"}
	for _, key := range append(keys, "holds") {
		w.want(key, "warm", "")
	}
	first := w.send("holds", "hold")
	await(t, held, "the one that runs")
	asking := turn.New(1, turn.Key, "", "asks", nil)
	defer asking.End()
	waiting := map[string]*host.Turn{"asked": asking, "claimed": {Number: asking.Number, Key: "asks"}}
	var calls []*call
	for _, key := range keys {
		c := newCall()
		c.waiting = waiting[key]
		w.deliver(0, key, c, host.Message{Type: "note", Key: key})
		calls = append(calls, c)
	}
	close(hold)
	for _, c := range append(calls, first) {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"asked", "plain", "claimed", "other"}; !slices.Equal(order, want) {
		t.Errorf("the keys ran in the order %v, want %v", order, want)
	}
}
