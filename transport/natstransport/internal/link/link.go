// Link: opening and closing, and what its user does

package link

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/sparse"
)

// User is what uses a link.
type User interface {
	// Lost is called when the connection has gone: what was sent may not have arrived.
	Lost(nats.Status)
	// Broken is called when the connection has ended for good although the link was not closed. Close waits for it.
	Broken(*outcome.Error)
	// Refused is called with the server's refusal of a message or a subject. alone says whether no other transport uses the
	// connection.
	Refused(err error, alone bool)
	// Hold keeps back what must arrive in order, until release. It returns when what was sent before has arrived, or with ctx. What
	// leaves after release goes over another connection.
	Hold(ctx context.Context) (release func())
}

// Options says how to connect, and what for.
type Options struct {
	URL         string
	Conn        *nats.Conn // in place of a connection of our own
	Name        string
	NATSOptions []nats.Option
	Log         *slog.Logger
	Clock       *expiry.Set
	Backlog     int // how many messages may wait for the reader
	User        User
}

// Link is the connection of one end.
type Link struct {
	opts Options
	conn
	ears
	queue
	mover
	inbox
	hearing
	reports reports
	drops   drops

	// Times are constants, but in tests.
	Times struct {
		Settle, Overlap time.Duration
		Late, Again     atomic.Int64
	}

	closed  atomic.Bool
	quit    chan struct{}  // closed to end the watchers
	mu      sync.Mutex     // held while closed is set, and while running grows
	running sync.WaitGroup // what the link has started
}

// New returns a link that is not connected.
func New(opts Options) *Link {
	opts.Log = sparse.New(opts.Log)
	l := &Link{opts: opts, quit: make(chan struct{})}
	l.Times.Settle, l.Times.Overlap = settleTime, overlapTime
	l.Times.Late.Store(int64(changeTime))
	l.Times.Again.Store(int64(againFirst))
	l.conn.l, l.broken = l, make(chan struct{})
	l.ears.l, l.turn, l.again.es = l, make(chan struct{}, 1), &l.ears
	l.queue = queue{In: make(chan *nats.Msg, opts.Backlog), ended: make(chan struct{})}
	l.mover.init(l)
	l.hearing.l = l
	l.reports.l, l.reports.news = l, make(chan struct{})
	l.drops.live = map[*nats.Subscription]uint64{}
	return l
}

// Connect connects by ctx's end, and hears the first of the ears that name returns.
func (l *Link) Connect(ctx context.Context, name func(*nats.Conn) ([]*Ear, error)) (err error) {
	defer func() {
		if err != nil {
			l.cancel()
		}
	}()
	nc := l.opts.Conn
	if nc == nil {
		if nc, err = l.dial(ctx, l.opts.URL); ctx.Err() != nil {
			return outcome.Annotate(outcome.ContextError(ctx.Err(), outcome.NotSent), "connecting to "+natsdial.Redact(l.opts.URL))
		} else if err != nil {
			return outcome.Errorf(unconnected(err), "connecting to %s: %v", natsdial.Redact(l.opts.URL), bare(err)).WithOutcome(outcome.NotSent)
		}
	}
	l.nc.Store(nc)
	l.inbox.begin(nc)
	all, err := name(nc)
	l.all = all
	natsdial.Listen(nc, &l.reports)
	l.reports.begin(nc)
	changes := nc.StatusChanged()
	switch l.look(nc, changes); {
	case err != nil:
	case l.Up():
		err = l.Open(ctx, all[0])
	default:
		err = l.trust(all[0]) // nats.RetryOnFailedConnect: the watcher tells when the server is there
	}
	if err != nil {
		l.disconnect(nc, changes)
		return err
	}
	over := l.mover.over
	l.running.Go(func() { l.watch(nc, changes, over) }) // ends at quit, or when the end has moved
	<-l.moves
	return nil
}

// own reports whether the connection is our own.
func (l *Link) own() bool { return l.opts.Conn == nil }

// Closed reports whether Leave was called.
func (l *Link) Closed() bool { return l.closed.Load() }

// start runs f in a goroutine that Close waits for, unless Leave was called.
func (l *Link) start(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.Closed() {
		l.running.Go(f) // ends as the caller says
	}
}

// Leave begins the end: the link neither moves nor hears anything new.
func (l *Link) Leave() {
	l.mu.Lock()
	l.closed.Store(true)
	l.mu.Unlock()
	l.cancel()
	l.moves <- struct{}{}
}

// Close ends the link. What has come is still read.
func (l *Link) Close() {
	l.ears.stopAll()
	close(l.quit)
	l.running.Wait()
}
