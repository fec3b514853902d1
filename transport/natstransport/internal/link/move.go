// Moves: the transport goes to another server before its own one ends

package link

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/natsdial"
)

const (
	// overlapTime is how long the transport hears over both connections: by then all servers know
	// of the new one.
	overlapTime = 2 * time.Second
	// settleTime is how long requests are held until those before them have arrived.
	settleTime = time.Second
	// moveTimeout bounds a connection to another server, and its subscriptions.
	moveTimeout = 5 * time.Second
	// changeTime is how long something may be on its way that was sent over an earlier connection.
	changeTime = 2 * time.Second
)

// mover takes a link with a connection of its own to another server when its server announces its
// end (lame duck mode).
//
//	the old connection:  all -----------------------------.  still heard -------.  closed
//	the new connection:         dialed, hears too -------. all ------------------------
//	requests:            go --------------. held, until  . go
//	                                        those before
//	                                        have arrived
//
// The end hears its subjects over both connections for a while, and takes each once (overlap). The
// subjects stay the same, so answers find the transport however long their calls take.
type mover struct {
	l      *Link
	moves  chan struct{} // cap 1: held by a move, and at last by Leave
	ctx    context.Context
	cancel context.CancelFunc
	over   chan struct{} // closed to end the watcher of the present connection; of moves

	two  atomic.Bool  // the end hears over two connections
	last atomic.Int64 // when it had another one

	// now is held while a watcher takes a change of its connection, and while the present connection
	// becomes another one.
	now sync.Mutex
}

func (m *mover) init(l *Link) {
	m.l, m.moves, m.over = l, make(chan struct{}, 1), make(chan struct{})
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.moves <- struct{}{} // until it is connected
}

// change notes that the connection is another one.
func (m *mover) change() { m.last.Store(expiry.Now()) }

// Settled reports whether nothing is on its way any more that was sent over an earlier connection.
func (m *mover) Settled() bool {
	return !m.two.Load() && expiry.Now() > m.last.Load()+m.l.Times.Late.Load()
}

// announced is called when the server of a connection announces its end.
func (m *mover) announced(nc *nats.Conn) {
	m.l.start(func() { m.move(nc) }) // ends with the move, or with m.ctx
}

// move leaves a connection.
func (m *mover) move(old *nats.Conn) {
	l := m.l
	select {
	case m.moves <- struct{}{}:
		defer func() { <-m.moves }()
	case <-m.ctx.Done():
		return
	}
	if l.Conn() != old {
		return // it was left
	}
	l.opts.Log.Info("the NATS server announces its end: moving to another", "server", old.ConnectedUrlRedacted())
	for said := false; ; said = true {
		err := m.leave(old)
		switch {
		case err == nil, m.ctx.Err() != nil:
			return
		case !old.IsConnected(): // nats.go connects to another
			return
		case !said:
			l.opts.Log.Warn("cannot move to another NATS server yet: calls on their way may be lost when this one ends", "error", bare(err))
		}
		m.pause(moveTimeout / 10)
	}
}

// leave tries to move once.
func (m *mover) leave(old *nats.Conn) error {
	l := m.l
	ctx, cancel := context.WithTimeout(m.ctx, moveTimeout)
	defer cancel()
	nc, err := l.dial(ctx, natsdial.Servers(l.opts.URL, old), nats.RetryOnFailedConnect(false))
	if err != nil {
		return err
	}
	over, changes := make(chan struct{}), nc.StatusChanged()
	natsdial.Listen(nc, &l.reports)
	l.running.Go(func() { l.watch(nc, changes, over) }) // ends at over, or at quit
	if err = m.hearToo(ctx, nc); err == nil {
		err = m.turnTo(nc, changes)
	}
	if err != nil {
		m.hearOne(false)
		close(over)
		return err
	}
	before := m.over
	m.over = over
	m.await(old)
	m.hearOne(true)
	old.SetClosedHandler(nil) // the program's: its connection has not ended
	old.SetDisconnectErrHandler(nil)
	close(before)
	l.opts.Log.Info("moved to another NATS server", "server", nc.ConnectedUrlRedacted())
	m.pause(2 * l.Times.Overlap) // the last copies
	l.Behind(l.overlap.forget)
	return nil
}

// hearToo has all ears hear over the next connection too, and returns when its server has taken that.
func (m *mover) hearToo(ctx context.Context, nc *nats.Conn) error {
	m.two.Store(true)
	if err := m.l.allAlso(nc); err != nil {
		return err
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return err
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, nats.ErrMaxSubscriptionsExceeded) {
		return err
	}
	return nil
}

// hearOne ends the time of two connections: it leaves the new one, or the old.
func (m *mover) hearOne(new bool) {
	l := m.l
	l.Behind(func() {
		l.one(new)
		m.change()
		m.two.Store(false)
		l.overlap.cut(new)
		l.GoOn()
	})
}

// turnTo makes a connection the present one. Requests are held for the moment in which those
// before them arrive, because they could overtake over another server.
func (m *mover) turnTo(nc *nats.Conn, changes chan nats.Status) error {
	l := m.l
	ctx, cancel := context.WithTimeout(m.ctx, l.Times.Settle)
	defer cancel()
	defer l.opts.User.Hold(ctx)()
	m.now.Lock()
	defer m.now.Unlock()
	if !nc.IsConnected() {
		return nats.ErrDisconnected
	}
	l.nc.Store(nc)
	l.reports.begin(nc)
	l.look(nc, changes)
	return nil
}

// await returns when all servers know of the new connection, or when the old one has gone.
func (m *mover) await(old *nats.Conn) {
	gone := old.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	defer old.RemoveStatusListener(gone)
	if !old.IsConnected() {
		return
	}
	select {
	case <-time.After(m.l.Times.Overlap):
	case <-gone:
	case <-m.ctx.Done():
	}
}

// announces is the last option of a connection: its server's announcement is heard, and then the program's own
// handler is called.
func (m *mover) announces(o *nats.Options) error {
	theirs := o.LameDuckModeHandler
	o.LameDuckModeHandler = func(nc *nats.Conn) {
		m.announced(nc)
		if theirs != nil {
			theirs(nc)
		}
	}
	return nil
}

func (m *mover) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-m.ctx.Done():
	}
}
