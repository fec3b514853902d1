package natstransport_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// heap is what is reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC() // pools give back at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// line is a mailbox that nobody empties until the end.
type line struct {
	mu    sync.Mutex
	calls []*dispatch.Call
	ended atomic.Int64
}

// Accept implements dispatch.Receiver.
func (l *line) Accept(c *dispatch.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// CallStarted implements dispatch.Meter.
func (l *line) CallStarted(*dispatch.Call) any { return nil }

// CallFinished implements dispatch.Meter.
func (l *line) CallFinished(*dispatch.Call, bool, any, *outcome.Error) { l.ended.Add(1) }

// came returns how many have come, whether they stand in line or were refused.
func (l *line) came() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls) + int(l.ended.Load())
}

// TestHeapOfWhatIsNoPayload: 12,000 calls of a client that have next to no payload, and
// as much of something else as they may, stand in line. The node holds twice what it may
// at most; server and client are in the same process.
func TestHeapOfWhatIsNoPayload(t *testing.T) {
	const calls, most, others = 12_000, 8 << 20, 4 << 20
	for _, mode := range []string{"nothing", "headers", "turns", "types", "replies", "all"} {
		t.Run(mode, func(t *testing.T) {
			url := testkit.StartNATS(t)
			node := connect(t, natstransport.Options{URL: url})
			life := dispatch.NewLifetime(silent, dispatch.DispatcherOf(node))
			life.LimitBytes(most, -1)
			t.Cleanup(func() { _ = life.End() })
			l := &line{}
			if _, err := node.Backend().Subscribe(life.Context(), 0, dispatch.Subscriber{Receiver: l, Meter: l}); err != nil {
				t.Fatal(err)
			}
			nc := dial(t, url)
			inbox, subject := nc.NewInbox(), at(t, nc, 0)
			is := func(m string) bool { return mode == m || mode == "all" }
			before := heap()
			for i := range calls {
				env := transport.Envelope{Type: "Slow", Key: fmt.Sprint("slow-", i%12), Data: []byte("{}")}
				if is("types") {
					env.Type = fmt.Sprintf("%0512d", i)
				}
				if is("headers") {
					env.Headers = map[string]string{}
					for n := range bounds.MaxHeaders - 1 {
						env.Headers[fmt.Sprint(n)] = ""
					}
				}
				var turns *dispatch.Turn
				for n := 0; is("turns") && n < turn.Most; n++ {
					turns = &dispatch.Turn{Number: uint64(n + 1), Kind: strings.Repeat("k", 64), Key: fmt.Sprintf("%064d", i*16+n), By: turns}
				}
				reply := inbox + ".1-1"
				if is("replies") {
					reply = inbox + "." + strings.Repeat("r", 190) + fmt.Sprintf("%06d.1-1", i)
				}
				b := wire.AppendEnvelope(nil, &env, time.Hour, turns, 0)
				if err := nc.PublishRequest(subject, reply, wire.AppendEnd(b, uint64(i+1))); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "all have come", func() bool { return l.came() == calls })
			if l.ended.Load() == calls {
				t.Error("all were refused")
			}
			eventually(t, "the heap is under twice what the node may hold", func() bool { return heap()-before <= 2*most+others })
			t.Logf("%d calls in line: the heap has grown by %d KiB", calls-l.ended.Load(), (heap()-before)>>10)
			for _, c := range l.calls {
				c.Refuse(outcome.Errorf(outcome.ErrDraining, "the end"))
			}
		})
	}
}
