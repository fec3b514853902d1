// The turns that wait for receipts of a line: its notifications name one of them

package cluster

import (
	"context"
	"slices"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/turn"
)

// askers are the turns that wait for notifications of a line. The window's mu guards them.
//
// A shard that is handed over refuses notifications until it has moved. But the move waits for the turns of the shard, and one of
// them may wait for a turn that waits for the receipt. So what the line sends by itself names a turn that waits, as a
// Notify does, and the shard accepts it. What the line posts names no turn, so a shard that is handed over refuses it, and
// takes such a line one by one.
type askers struct{ all []*asker }

// asker is the context of a turn.
type asker struct{ ctx context.Context }

func (as *askers) add(a *asker) { as.all = append(as.all, a) }

// remove does nothing if the line has become another one.
func (as *askers) remove(a *asker) {
	as.all = slices.DeleteFunc(as.all, func(other *asker) bool { return other == a })
}

// next returns each asker once, and then the first again; nil if there is none.
func (as *askers) next() (a *asker) {
	if len(as.all) == 0 {
		return nil
	}
	a = as.all[0]
	as.all = append(as.all[1:], a)
	return a
}

// fromLine is the context with which a line sends.
type fromLine struct {
	context.Context
	w *window
	l *line
}

// lineKey finds out whether a context is, or was made from, that of a line.
type lineKey struct{}

// Value implements context.Context.
func (f fromLine) Value(key any) any {
	switch key.(type) {
	case lineKey:
		return true
	case turn.InsideKey:
		if f.asked() {
			return true
		}
	case turn.MakerKey:
		if f.asked() {
			return turn.Maker(f)
		}
	}
	return f.Context.Value(key)
}

func (f fromLine) asked() bool {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	return len(f.l.askers.all) > 0
}

// Asks implements [turn.Maker].
func (f fromLine) Asks() *turn.Turn {
	f.w.mu.Lock()
	a := f.l.askers.next()
	f.w.mu.Unlock()
	if a == nil {
		return nil
	}
	return dispatch.Waiting(a.ctx)
}

// asks says that a turn waits for a receipt, until forget is called.
func (r *Receipt) asks(ctx context.Context) (forget func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		return func() {}
	}
	w, l, a := &r.n.c.window, r.n.line, &asker{ctx}
	w.mu.Lock()
	defer w.mu.Unlock()
	l.askers.add(a)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		l.askers.remove(a)
	}
}
