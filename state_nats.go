// States over NATS: a connection that is made when it is first needed

package clstr

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
)

// openWithin bounds one try to connect.
const openWithin = 5 * time.Second

// watched is the store of a process that hosts nothing durable. Most such processes watch nothing
// either, so it connects when it is first asked.
type watched struct {
	opts natsstate.Options
	life context.Context // ends with the process
	end  context.CancelFunc

	turn  chan struct{} // holds the turn of what uses store
	store *natsstate.Store
}

func newWatched(opts natsstate.Options) *watched {
	opts.Client = true
	w := &watched{opts: opts, turn: make(chan struct{}, 1)}
	w.life, w.end = context.WithCancel(context.Background())
	return w
}

func (w *watched) open(ctx context.Context) (*natsstate.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	defer context.AfterFunc(w.life, cancel)()
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
	}
	if w.life.Err() != nil {
		return nil, state.ErrClosed
	}
	if ctx.Err() != nil {
		return nil, outcome.Errorf(outcome.ErrDisconnected, "the store of state: %v", context.Cause(ctx))
	}
	if w.store == nil {
		store, err := natsstate.Open(ctx, w.opts)
		if w.life.Err() != nil && err != nil {
			return nil, state.ErrClosed
		} else if err != nil {
			return nil, err
		}
		w.store = store
	}
	return w.store, nil
}

// Open implements [state.Store].
func (w *watched) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (state.Token, error) {
	s, err := w.open(ctx)
	if err != nil {
		return state.Token{}, err
	}
	return s.Open(ctx, shard, o, held) // which refuses: it is a client's
}

// Commit implements [state.Store].
func (w *watched) Commit(_ state.Change, done func(state.Rev, error)) { done(0, state.ErrInvalid) }

// Read implements [state.Store].
func (w *watched) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	s, err := w.open(ctx)
	if err != nil {
		return nil, false, err
	}
	return s.Read(ctx, t, r)
}

// Append implements [state.Store].
func (w *watched) Append(ctx context.Context, m state.Mail) (state.Rev, error) {
	s, err := w.open(ctx)
	if err != nil {
		return 0, err
	}
	return s.Append(ctx, m)
}

// Connect connects, if that was not done before: a watch does so first.
func (w *watched) Connect(ctx context.Context) error {
	_, err := w.open(ctx)
	return err
}

// Watch implements [state.Store].
func (w *watched) Watch(r state.Range, f func(state.Entry)) (stop func(), err error) {
	s, err := w.open(context.Background()) // which is connected
	if err != nil {
		return nil, err
	}
	return s.Watch(r, f)
}

// Close ends the connection, if there is one.
func (w *watched) Close() error {
	w.end()
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	if w.store == nil {
		return nil
	}
	return w.store.Close()
}
