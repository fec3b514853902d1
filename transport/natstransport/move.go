// Moves: the transport goes to another server before its own one ends

package natstransport

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

const (
	// overlapTime is how long the transport hears over both connections: by then all servers know
	// of the new one.
	overlapTime = 2 * time.Second
	// settleTime is how long requests are held until those before them have arrived.
	settleTime = time.Second
	// moveTimeout bounds a connection to another server, and its subscriptions.
	moveTimeout = 5 * time.Second
)

// mover takes a transport with a connection of its own to another server when its server announces its
// end (lame duck mode).
//
//	the old connection:  all -----------------------------.  still heard -------.  closed
//	the new connection:         dialed, hears too -------. all ------------------------
//	requests:            go --------------. held, until  . go
//	                                        those before
//	                                        have arrived
//
// The node hears its requests over both connections for a while, and takes each once (overlap). The
// subjects stay the same, so answers find the transport however long their calls take.
type mover struct {
	t    *Transport
	turn chan struct{} // cap 1: held by a move, and at last by Close
	ctx  context.Context
	end  context.CancelFunc
	over chan struct{} // closed to end the watcher of the present connection; of the turn

	two     atomic.Bool  // the end hears over two connections
	changed atomic.Int64 // when it last had another one
	late    atomic.Int64 // changeTime, but in tests

	overlap, settling time.Duration // the constants, but in tests

	// now is held while a watcher takes a change of its connection, and while the present connection
	// becomes another one.
	now sync.Mutex
}

func (m *mover) init(t *Transport) {
	m.t, m.turn, m.over = t, make(chan struct{}, 1), make(chan struct{})
	m.overlap, m.settling = overlapTime, settleTime
	m.late.Store(int64(changeTime))
	m.ctx, m.end = context.WithCancel(context.Background())
}

// stop returns when no move is under way, and no other will be.
func (m *mover) stop() {
	m.end()
	m.turn <- struct{}{}
}

// announced is called when the server of a connection announces its end.
func (m *mover) announced(nc *nats.Conn) {
	m.t.start(func() { m.move(nc) }) // ends with the move, or with m.ctx
}

// move leaves a connection.
func (m *mover) move(old *nats.Conn) {
	t := m.t
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-m.ctx.Done():
		return
	}
	if t.nc.Load() != old {
		return // it was left
	}
	t.log.Info("the NATS server announces its end: moving to another", "server", old.ConnectedUrlRedacted())
	for said := false; ; said = true {
		err := m.leave(old)
		switch {
		case err == nil, m.ctx.Err() != nil:
			return
		case !old.IsConnected(): // nats.go connects to another
			return
		case !said:
			t.log.Warn("cannot move to another NATS server yet: calls on their way may be lost when this one ends", "error", bare(err))
		}
		pause(m.ctx, moveTimeout/10)
	}
}

// leave tries to move once.
func (m *mover) leave(old *nats.Conn) error {
	t := m.t
	ctx, cancel := context.WithTimeout(m.ctx, moveTimeout)
	defer cancel()
	nc, err := t.dial(ctx, natsdial.Servers(t.opts.URL, old), nats.RetryOnFailedConnect(false))
	if err != nil {
		return err
	}
	over, changes := make(chan struct{}), nc.StatusChanged()
	natsdial.Listen(nc, &t.reports)
	t.running.Go(func() { t.watch(nc, changes, over) }) // ends at over, or at quit
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
	t.log.Info("moved to another NATS server", "server", nc.ConnectedUrlRedacted())
	pause(m.ctx, 2*m.overlap) // the last copies
	t.reader.call(t.server.overlap.forget)
	return nil
}

// hearToo has all ears hear over the next connection too, and returns when its server has taken that.
func (m *mover) hearToo(ctx context.Context, nc *nats.Conn) error {
	m.two.Store(true)
	if err := m.t.ears.allAlso(nc); err != nil {
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
	t := m.t
	t.reader.call(func() {
		t.ears.one(new)
		m.change()
		m.two.Store(false)
		t.server.overlap.cut(new)
		t.server.catchUp()
	})
}

// turnTo makes a connection the present one. Requests are held for the moment in which those
// before them arrive, because they could overtake over another server.
func (m *mover) turnTo(nc *nats.Conn, changes chan nats.Status) error {
	t := m.t
	boxes := t.owners.halt()
	defer t.owners.resume(boxes)
	m.settle(boxes)
	m.now.Lock()
	defer m.now.Unlock()
	if !nc.IsConnected() {
		return nats.ErrDisconnected
	}
	t.nc.Store(nc)
	t.reports.begin(nc)
	t.look(nc, changes)
	return nil
}

// settle returns when all that was sent to nodes has arrived, or after a moment.
func (m *mover) settle(boxes []*nodeBox) {
	ctx, cancel := context.WithTimeout(m.ctx, m.settling)
	defer cancel()
	sent := make(chan struct{})
	m.t.flusher.Go(task(func() { close(sent) })) // behind what it publishes now
	select {
	case <-sent:
	case <-ctx.Done():
		return
	}
	arrived, asked := make(arrivals, len(boxes)), 0
	for _, b := range boxes {
		if b.sent.Load() == 0 {
			continue
		}
		asked++
		env := transport.Envelope{Type: aliveAt}
		c, buf := &call{t: m.t, to: &route{to: b}, told: arrived}, wire.AppendNumbered(nil, &env, 0, 0, 0)
		b.publish(&batch{buf: buf, items: 1, calls: []*call{c}, spans: []span{{0, len(buf)}}}) // Close may take it out
	}
	for range asked {
		select {
		case <-arrived:
		case <-ctx.Done():
			return
		}
	}
}

// arrivals hears of each node that has answered, or has gone.
type arrivals chan struct{}

// Told implements [dispatch.Told].
func (a arrivals) Told(error) { a <- struct{}{} }

// await returns when all servers know of the new connection, or when the old one has gone.
func (m *mover) await(old *nats.Conn) {
	gone := old.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	defer old.RemoveStatusListener(gone)
	timer := time.NewTimer(m.overlap)
	defer timer.Stop()
	if !old.IsConnected() {
		return
	}
	select {
	case <-timer.C:
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
