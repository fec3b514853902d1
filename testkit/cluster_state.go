// The nodes' ways to the store of state

package testkit

import (
	"context"
	"fmt"
	"sync"

	"github.com/clstr-go/clstr/state"
)

// stateLink is a node's way to the store of state. A node that was killed stores and reads nothing
// any more: all that it hears is that it is deposed, so that it ends. One that is paused asks and hears
// when it goes on.
type stateLink struct {
	state.Store
	still *stillness
	life  context.Context // ends when the node is killed
	end   context.CancelFunc

	mu    sync.Mutex
	next  uint64
	waits map[uint64]func(state.Rev, error) // changes on their way
}

func newStateLink(s state.Store, still *stillness) *stateLink {
	l := &stateLink{Store: s, still: still, waits: map[uint64]func(state.Rev, error){}}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

var errKilled = fmt.Errorf("%w: the test has killed this node", state.ErrDeposed)

// kill cuts the node off. What is on its way may be stored; its answer finds nobody. Call it when
// nothing that the node says is heard any more.
func (l *stateLink) kill() {
	l.end()
	l.mu.Lock()
	waits := l.waits
	l.waits = nil
	l.mu.Unlock()
	for _, done := range waits {
		done(0, errKilled)
	}
}

// ask asks the store something, unless the node is killed before the answer.
func (l *stateLink) ask(ctx context.Context, question func(ctx context.Context) error) error {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	err := l.still.wait(asking)
	if err == nil {
		err = question(asking)
	}
	if l.life.Err() != nil {
		return errKilled
	}
	return err
}

// Open implements [state.Store].
func (l *stateLink) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (t state.Token, err error) {
	return t, l.ask(ctx, func(ctx context.Context) (err error) {
		t, err = l.Store.Open(ctx, shard, o, held)
		return err
	})
}

// Read implements [state.Store].
func (l *stateLink) Read(ctx context.Context, t state.Token, r state.Range) (es []state.Entry, more bool, err error) {
	err = l.ask(ctx, func(ctx context.Context) (err error) {
		es, more, err = l.Store.Read(ctx, t, r)
		return err
	})
	return es, more, err
}

// Append implements [state.Store].
func (l *stateLink) Append(ctx context.Context, m state.Mail) (rev state.Rev, err error) {
	return rev, l.ask(ctx, func(ctx context.Context) (err error) {
		rev, err = l.Store.Append(ctx, m)
		return err
	})
}

// Commit implements [state.Store].
func (l *stateLink) Commit(c state.Change, done func(state.Rev, error)) {
	l.mu.Lock()
	if l.waits == nil {
		l.mu.Unlock()
		done(0, errKilled)
		return
	}
	l.next++
	id := l.next
	l.waits[id] = done
	l.mu.Unlock()
	l.still.when(func() {
		l.Store.Commit(c, func(rev state.Rev, err error) {
			l.still.when(func() {
				l.mu.Lock()
				done := l.waits[id]
				delete(l.waits, id)
				l.mu.Unlock()
				if done != nil {
					done(rev, err)
				}
			})
		})
	})
}

// Watch implements [state.Store].
func (l *stateLink) Watch(r state.Range, f func(state.Entry)) (stop func(), err error) {
	return l.Store.Watch(r, func(e state.Entry) { l.still.when(func() { f(e) }) })
}
