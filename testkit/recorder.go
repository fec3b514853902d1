// Recorder: what was sent to which key

package testkit

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/transport"
)

// expectWait bounds [Recorder.Expect]. In a synctest bubble it is virtual time.
const expectWait = 10 * time.Second

// Received is a message that reached a handler.
type Received struct {
	// Node is the ID of the node of a [Cluster]; empty on other nodes.
	Node  string
	Shard uint32
	Kind  string
	Key   string // empty for a message to a shard
	Type  string
	Data  []byte // a copy
	// Headers is a copy too; nil for none.
	Headers map[string]string
	// ID is the message's ([cluster.WithID]), empty if it has none.
	ID string
	// Delivery is what the sender waits for.
	Delivery transport.Delivery
}

// String describes the message without its payload.
func (r Received) String() string {
	to := fmt.Sprintf("shard %d", r.Shard)
	if r.Key != "" {
		to = fmt.Sprintf("key %q", r.Key)
	}
	if r.Node != "" {
		to += " on " + r.Node
	}
	name := r.Type
	if r.ID != "" {
		name = fmt.Sprintf("%s %q", r.Type, r.ID)
	}
	return fmt.Sprintf("%s to %s (%d bytes)", name, to, len(r.Data))
}

// Recorder records the messages that reach handlers, including each try of a command with an ID. It
// is a handler of its own, or stands in front of another. Make one with [NewRecorder]. It is safe for
// concurrent use.
//
// The messages of one key are recorded in the order in which they arrive, and are
// handled one at a time. The same holds for messages to a shard that have no key. The
// order between keys is not defined.
type Recorder struct {
	mu      sync.Mutex
	all     []Received
	taken   int           // all[:taken] was returned by Expect
	resets  int           // how often all began anew
	changed chan struct{} // closed and made anew at each message
}

// NewRecorder makes a recorder that has recorded nothing.
func NewRecorder() *Recorder { return &Recorder{changed: make(chan struct{})} }

// Handler returns a handler that records and answers with an empty reply.
func (r *Recorder) Handler() cluster.ServerHandlerFunc {
	return r.Wrap(func(context.Context, transport.Envelope) ([]byte, error) { return nil, nil })
}

// Wrap returns a handler that records each message and then passes it to next. The
// outcome is that of next. Wrap panics if next is nil.
//
// The handler takes a key's messages one at a time, even if next would not. So if next
// hosts keys, at most one message of a key waits in it.
func (r *Recorder) Wrap(next cluster.ServerHandlerFunc) cluster.ServerHandlerFunc {
	if next == nil {
		panic("testkit: Recorder.Wrap: the handler is nil")
	}
	h := func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		r.record(ctx, &env)
		return next(ctx, env)
	}
	return hosting.TakesIDs(handlers.NewScopedHandler(handlers.ScopedOptions{
		Extract:     line,
		Create:      func(string) (transport.HandlerFunc, error) { return h, nil },
		CacheSize:   -1,
		MailboxSize: -1,
	}))
}

// line is the queue that a message waits in: that of its key, or of its shard.
func line(env transport.Envelope) (string, error) {
	if env.Key != "" {
		return env.Kind + " key " + env.Key, nil
	}
	return env.Kind + " shard", nil
}

func (r *Recorder) record(ctx context.Context, env *transport.Envelope) {
	m := Received{
		Node:     nodeIDFrom(ctx),
		Shard:    uint32(env.Shard),
		Kind:     env.Kind,
		Key:      env.Key,
		Type:     env.Type,
		Data:     bytes.Clone(env.Data),
		Headers:  maps.Clone(env.Headers),
		ID:       env.ID,
		Delivery: env.Delivery,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, m)
	close(r.changed)
	r.changed = make(chan struct{})
}

// All returns what was recorded so far. It does not wait.
func (r *Recorder) All() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// Key returns what was recorded so far for a key. It does not wait.
func (r *Recorder) Key(key string) []Received {
	return slices.DeleteFunc(r.All(), func(m Received) bool { return m.Key != key })
}

// Reset forgets what was recorded.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all, r.taken = nil, 0
	r.resets++
}

// Expect waits for the next n messages that no Expect has returned yet, and returns
// them. If they do not come within 10 seconds, it fails the test, lists the messages
// that have come, and takes none.
func (r *Recorder) Expect(t testing.TB, n int) []Received {
	t.Helper()
	timeout := time.NewTimer(expectWait)
	defer timeout.Stop()
	return r.expect(t, n, timeout.C)
}

func (r *Recorder) expect(t testing.TB, n int, timeout <-chan time.Time) []Received {
	t.Helper()
	for {
		got, changed := r.take(n)
		if len(got) == n {
			return got
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("testkit: expected %d messages, got %d%s", n, len(got), list(got))
			return nil
		}
	}
}

// take returns the next n messages and marks them as taken. If there are fewer, it
// returns those, and a signal for the next one.
func (r *Recorder) take(n int) ([]Received, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.all[r.taken:]
	if len(rest) < n {
		return slices.Clone(rest), r.changed
	}
	r.taken += n
	return slices.Clone(rest[:n]), nil
}

func list(ms []Received) string {
	var b strings.Builder
	for _, m := range ms {
		b.WriteString("\n\t" + m.String())
	}
	return b.String()
}

// WaitFor waits for a message that match accepts, and returns the first one. Messages
// that came before the call count too, as do those that Expect has returned. If ctx
// ends first, the error is ctx's. match is called for one message at a time, and must
// not block.
func (r *Recorder) WaitFor(ctx context.Context, match func(Received) bool) (Received, error) {
	seen, resets := 0, 0
	for {
		r.mu.Lock()
		if r.resets != resets {
			seen, resets = 0, r.resets
		}
		fresh, changed := slices.Clone(r.all[seen:]), r.changed
		seen = len(r.all)
		r.mu.Unlock()
		if i := slices.IndexFunc(fresh, match); i >= 0 {
			return fresh[i], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Received{}, fmt.Errorf("testkit: waiting for a message, %d did not match: %w", seen, ctx.Err())
		}
	}
}
