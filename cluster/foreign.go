// Whether another member hosts a kind that this node does not

package cluster

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

const (
	// kindsFor is how long a node believes what it has read about the kinds of other members.
	kindsFor = time.Second
	// kindsTimeout bounds the look at the store.
	kindsTimeout = 500 * time.Millisecond
	// kindsHint is when a caller may ask again for a kind that another member hosts:
	// shards move to the node that has it, or this one is about to be replaced.
	kindsHint = 100 * time.Millisecond
)

// foreignKinds are the kinds that the members of a live cluster host. The node reads them
// when a call names a kind that it does not host. The call's answer waits for that, and the
// transport's reader does not.
type foreignKinds struct {
	store membership.Store
	log   *slog.Logger
	ctx   context.Context // the node's
	work  sync.WaitGroup

	mu      sync.Mutex
	kinds   []string
	until   time.Time       // when they are read again
	waiting []transportCall // for the read that goes on
}

type transportCall struct {
	*dispatch.Call
	err *outcome.Error
}

// refuse answers a call of a kind that this node does not host, with a hint if
// another member does.
func (f *foreignKinds) refuse(c *dispatch.Call, err *outcome.Error) {
	f.mu.Lock()
	if time.Now().Before(f.until) {
		err = f.hinted(c, err)
		f.mu.Unlock()
		c.Refuse(err)
		return
	}
	f.waiting = append(f.waiting, transportCall{c, err})
	if len(f.waiting) == 1 {
		f.work.Go(f.read) // ends with the read
	}
	f.mu.Unlock()
}

// read reads the kinds, and answers the calls that wait. If the store does not answer, they get no
// hint.
func (f *foreignKinds) read() {
	ctx, cancel := context.WithTimeout(f.ctx, kindsTimeout)
	defer cancel()
	entries, err := sparse.Ask(ctx, f.log, "methods of the store of members", func(ctx context.Context) ([]membership.Entry, error) {
		entries, _, err := f.store.Snapshot(ctx, record.MemberPrefix)
		return entries, err
	})
	var kinds []string
	for _, e := range entries {
		if m, err := record.Decode[record.Member](e.Value); err == nil && m.State != record.Dead && m.State != record.Left {
			kinds = append(kinds, m.Kinds...)
		}
	}
	f.mu.Lock()
	if err == nil {
		f.kinds = kinds
	}
	f.until = time.Now().Add(kindsFor)
	waiting := f.waiting
	f.waiting = nil
	for i, w := range waiting {
		waiting[i].err = f.hinted(w.Call, w.err)
	}
	f.mu.Unlock()
	for _, w := range waiting {
		w.Refuse(w.err)
	}
}

// hinted is called with mu held.
func (f *foreignKinds) hinted(c *dispatch.Call, err *outcome.Error) *outcome.Error {
	if slices.Contains(f.kinds, c.Envelope().Kind) {
		err.RetryAfter = kindsHint
		err.Message += "; another member does"
	}
	return err
}
