package natstransport

import (
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"
)

// keeps is a receiver that leaves its call to the test.
type keeps struct{ call *dispatch.Call }

func (k *keeps) Accept(c *dispatch.Call) { k.call = c }

// TestARemoteIsUsedAgain when it was answered and its handler has ended, whether the peer had opened it or not, and not
// while the reader has it to cancel it.
func TestARemoteIsUsedAgain(t *testing.T) {
	for what, c := range map[string]struct {
		do   func(p *peer, r *remote, answer func())
		want bool
	}{
		"answered before it was opened": {func(p *peer, r *remote, answer func()) { answer(); p.open(r) }, true},
		"answered":                      {func(p *peer, r *remote, answer func()) { p.open(r); answer() }, true},
		"answered when its id has come again": {func(p *peer, r *remote, answer func()) {
			p.open(r)
			p.open(&remote{t: r.t, id: r.id})
			answer()
		}, true},
		"cancelled": {func(p *peer, r *remote, answer func()) { p.open(r); p.cancel(r.id); answer() }, false},
		"answered while it is cancelled": {func(p *peer, r *remote, answer func()) {
			p.open(r)
			p.mu.Lock()
			p.take(r.id)
			p.mu.Unlock()
			answer()
		}, false},
	} {
		tr := &Transport{log: slog.New(slog.DiscardHandler), d: dispatch.NewDispatcher(transport.Limits{}, slog.New(slog.DiscardHandler))}
		tr.link = link.New(link.Options{})
		tr.link.MaxMessage.Store(1 << 20)
		var replies room
		replies.init(-1)
		p := &peer{t: tr}
		p.pool, p.room, p.send = pool.New(1), &replies, func(*batch) {}
		var k keeps
		sub, err := tr.d.Subscribe(t.Context(), dispatch.Subscriber{Receiver: &k})
		if err != nil {
			t.Fatal(err)
		}
		r := newRemote(tr, &wire.Envelope{}, 7)
		r.peer = p
		sub.Dispatch(&r.Call)
		if !k.call.Start(nil) {
			t.Fatal("it does not start")
		}
		c.do(p, r, func() { k.call.Reply(nil, nil) })
		if dispatch.Spent(k.call) != nil {
			dispatch.EndLast(k.call)
		} else {
			k.call.End()
		}
		if again := tr.d.Far() == r; again != c.want {
			t.Errorf("%s: used again: %v", what, again)
		}
		p.pool.Close()
		if n := p.calls.Len(); n != 0 {
			t.Errorf("%s: %d calls are open", what, n)
		}
		if err := tr.d.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
