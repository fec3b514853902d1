// The store of members, whose code may not return

package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
)

// members asks a store of members. The store may be an application's: if its code panics, ends its goroutine or goes on
// although the context has ended, that is an error after which what was asked for may have happened.
type members struct {
	inner membership.Store
	log   *slog.Logger
}

const theStore = "methods of the store of members"

// maker is a store that a node can make anew when it is gone.
type maker interface {
	// Make makes the place that keeps the records, or finds that another node has made it.
	Make(ctx context.Context) error
}

// born is a store that knows when it was made, by its server's clock.
type born interface {
	Born(ctx context.Context) (time.Time, error)
}

func (m members) write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	return sparse.Ask(ctx, m.log, theStore, func(ctx context.Context) (uint64, error) { return m.inner.Write(ctx, key, rev, value) })
}

func (m members) read(ctx context.Context, key string) (membership.Entry, error) {
	return sparse.Ask(ctx, m.log, theStore, func(ctx context.Context) (membership.Entry, error) { return m.inner.Read(ctx, key) })
}

// shot is the result of a snapshot.
type shot struct {
	entries []membership.Entry
	asOf    uint64
}

func (m members) snapshot(ctx context.Context, prefix string) (shot, error) {
	return sparse.Ask(ctx, m.log, theStore, func(ctx context.Context) (s shot, err error) {
		s.entries, s.asOf, err = m.inner.Snapshot(ctx, prefix)
		return s, err
	})
}

// watch calls f until ctx ends.
func (m members) watch(ctx context.Context, f func(membership.Entry)) error {
	stop, err := sparse.Ask(ctx, m.log, theStore, func(ctx context.Context) (func(), error) {
		stop, err := m.inner.Watch(f)
		if err != nil {
			return nil, err
		}
		stop = sync.OnceFunc(stop)
		if ctx.Err() != nil { // Ask may have given up
			stop()
		}
		return stop, nil
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	_, _ = sparse.Ask(ctx, m.log, theStore, func(context.Context) (_ struct{}, err error) { stop(); return }) // the log has it
	return nil
}

// errNoMaker is the error for a store that nodes cannot make.
var errNoMaker = fmt.Errorf("%w: nodes cannot make this store", membership.ErrNoRecords)

func (m members) make(ctx context.Context) error {
	by, can := m.inner.(maker)
	if !can {
		return errNoMaker
	}
	_, err := sparse.Ask(ctx, m.log, theStore, func(ctx context.Context) (_ struct{}, err error) { return struct{}{}, by.Make(ctx) })
	return err
}

// born returns when the store was made; the zero time if it does not know.
func (m members) born(ctx context.Context) (time.Time, error) {
	by, knows := m.inner.(born)
	if !knows {
		return time.Time{}, nil
	}
	return sparse.Ask(ctx, m.log, theStore, by.Born)
}

// passes reports whether the records do not outlive the process.
func (m members) passes() bool {
	_, passes := m.inner.(membership.PassingStore)
	return passes
}

// reconnect has a store that is reached through a server connect anew.
func (m members) reconnect() {
	if by, can := m.inner.(membership.ConnectionStore); can {
		sparse.Apart(m.log, theStore, by.Reconnect)
	}
}
