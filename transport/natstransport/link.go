// The link: the connection to NATS, how it is, and its end for good

package natstransport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
)

// writeTimeout is the default time after which a connection of our own is given up and made anew
// if the network takes nothing from it.
const writeTimeout = 5 * time.Second

// pingEvery is how often a connection of our own asks its server whether it is there. After two
// questions without an answer it connects anew.
const pingEvery = 2 * time.Second

// link is the connection of a transport. A move puts another one in its place.
type link struct {
	t  *Transport
	nc atomic.Pointer[nats.Conn]

	// The state that nats.go tells only under a lock that it holds while it writes. The watcher sets
	// it.
	up         atomic.Bool // the connection is there
	status     atomic.Int32
	maxPayload atomic.Int64
	gone       atomic.Pointer[outcome.Error] // why it has ended for good
	broken     chan struct{}                 // closed with gone
}

// look asks nats.go how the connection is. The connection counts as up only when the watcher has
// taken every loss so far. A loss ends all calls that were sent before the watcher takes it, and
// must not end calls on the connection that has followed.
func (l *link) look(nc *nats.Conn, changes chan nats.Status) nats.Status {
	s, connected := nc.Status(), nc.IsConnected()
	l.maxPayload.Store(nc.MaxPayload())
	l.status.Store(int32(s))
	l.up.Store(connected && len(changes) == 0) // in this order: what has changed before is seen
	return s
}

// watch follows the state of a connection, until over or the end of the transport.
func (l *link) watch(nc *nats.Conn, changes chan nats.Status, over chan struct{}) {
	defer l.disconnect(nc, changes)
	for {
		select {
		case s := <-changes:
			l.changed(nc, changes, s)
		case <-over:
			return
		case <-l.t.quit:
			return
		}
	}
}

// changed takes a change of a connection.
func (l *link) changed(nc *nats.Conn, changes chan nats.Status, s nats.Status) {
	t := l.t
	t.moves.now.Lock()
	defer t.moves.now.Unlock()
	if l.nc.Load() != nc {
		return // the move looks at it
	}
	t.moves.change()
	if s != nats.CONNECTED {
		l.up.Store(false) // before look, which may wait for a server that does not answer
		l.status.Store(int32(s))
		t.calls.lose(outcome.Errorf(outcome.ErrConnectionLost, "status %v", s))
	}
	level := slog.LevelWarn
	if s == nats.CONNECTED {
		level = slog.LevelInfo
	}
	t.log.Log(context.Background(), level, "NATS connection", "status", s.String())
	if l.look(nc, changes) == nats.CLOSED {
		l.breaks()
	}
	if s == nats.CONNECTED {
		t.ears.again.reconnected()
	}
}

// breaks is called when the connection has ended for good although this transport was not
// closed: nats.go tries no more, or the program that gave the connection has closed it. The
// nodes on this transport end with an error.
func (l *link) breaks() {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() || l.gone.Load() != nil {
		return
	}
	err := outcome.Errorf(outcome.ErrTransportClosed, "the connection has ended for good: %v", l.nc.Load().LastError())
	if l.nc.Load().LastError() == nil {
		err = outcome.Errorf(outcome.ErrTransportClosed, "the connection was closed")
	}
	t.log.Error("NATS connection has ended for good", "error", err)
	told := map[*dispatch.Lifetime]bool{}
	for _, s := range t.table.all() {
		if s.life != nil && !told[s.life] {
			told[s.life] = true
			s.life.Report(err)
		}
	}
	l.gone.Store(err)
	close(l.broken)
}

func (l *link) disconnect(nc *nats.Conn, changes chan nats.Status) {
	t := l.t
	natsdial.Unlisten(nc, &t.reports)
	nc.RemoveStatusListener(changes)
	if t.opts.Conn == nil {
		nc.Close()
	}
}

// canSend returns an error if nothing can leave the process now.
func (l *link) canSend() error {
	if l.t.closed.Load() {
		return outcome.Errorf(outcome.ErrTransportClosed, "to %s", l.t.opts.Prefix)
	}
	return l.connected()
}

func (l *link) connected() error {
	if l.up.Load() {
		return nil
	}
	if gone := l.gone.Load(); gone != nil {
		return gone
	}
	return outcome.Errorf(outcome.ErrDisconnected, "status %v", nats.Status(l.status.Load()))
}

// lives reports whether the transport is open, with or without a connection at the moment.
func (l *link) lives() bool { return !l.t.closed.Load() && l.gone.Load() == nil }

// limit is how large a packet's envelopes or replies may be.
func (l *link) limit() int {
	most := l.maxPayload.Load()
	if most <= 0 { // the watcher has yet to see that there is a server
		if most = l.nc.Load().MaxPayload(); most <= 0 {
			most = wire.DefaultMaxMessage
		}
	}
	return max(0, int(most)-wire.Overhead)
}

// send publishes a message. If it returns an error, the message has not reached the server whole,
// because a write that fails leaves out the end of the data, and the message is at the end.
func (l *link) send(subject, reply string, data []byte) error {
	nc := l.nc.Load()
	err := nc.PublishRequest(subject, reply, data)
	if errors.Is(err, nats.ErrMaxPayload) {
		l.maxPayload.Store(nc.MaxPayload()) // lowered meanwhile
	}
	if _, failed := errors.AsType[net.Error](err); failed && l.t.opts.Conn == nil {
		_ = nc.ForceReconnect() // nats.go has dropped what it had not written
	}
	return err
}

// flushTimeout bounds a round trip to the server if the caller does not.
const flushTimeout = 5 * time.Second

// flush returns when the server has seen all that was sent, and what it has
// refused of that was heard.
func (l *link) flush(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushTimeout)
		defer cancel()
	}
	if err := l.nc.Load().FlushWithContext(ctx); err != nil {
		if ctx.Err() != nil {
			return outcome.ContextError(ctx.Err(), outcome.NotSent)
		}
		return notSent(err)
	}
	l.t.reports.all(ctx)
	return nil
}

// dial makes a connection of our own.
func (l *link) dial(ctx context.Context, servers string, last ...nats.Option) (*nats.Conn, error) {
	options := append([]nats.Option{
		nats.Name(natsdial.Name(l.t.opts.Name)),
		nats.MaxReconnects(-1),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(writeTimeout),
		nats.ReconnectOnFlusherError(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // see natsdial.Listen; by default nats.go prints
	}, l.t.opts.NATSOptions...)
	nc, err := natsdial.Dial(ctx, servers, append(append(options, l.t.moves.announces), last...))
	if ctx.Err() != nil && err == nil { // at the same moment
		nc.Close()
		err = ctx.Err()
	}
	return nc, err
}

// unconnected is the error for a connection that could not be made.
func unconnected(err error) error {
	_, parse := errors.AsType[*url.Error](err)
	switch {
	case parse:
		return outcome.ErrBadOption
	case natsdial.Refused(err):
		return outcome.ErrNotPermitted
	}
	return outcome.ErrDisconnected
}

// bare returns an error without the URL that a parser puts in front of it.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

const (
	// maxReplySubject is how long a reply subject may be: each call holds its own.
	maxReplySubject = 256
	// maxInboxPrefix is what that leaves for the prefix of a connection's inboxes: behind
	// it come a token, a dot, an id and two numbers.
	maxInboxPrefix = maxReplySubject - inboxToken - 1 - 13 - 2*4
)

// isInbox reports whether a reply may be sent to the subject. The server would refuse text that is
// not a subject, with a line of the log for each reply.
func (l *link) isInbox(reply string) bool {
	if len(reply) > maxReplySubject || !strings.HasPrefix(reply, nats.InboxPrefix) && !strings.HasPrefix(reply, l.t.inboxPrefix) {
		return false
	}
	for token := range strings.SplitSeq(reply, ".") {
		if token == "" || token == "*" || token == ">" || strings.ContainsAny(token, " \t\r\n") {
			return false
		}
	}
	return true
}

// notSent makes the error of a message that has not left the process.
func notSent(err error) *outcome.Error {
	if e, ok := errors.AsType[*outcome.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return outcome.Errorf(outcome.ErrTooLarge, "%v", err)
	case errors.Is(err, nats.ErrConnectionClosed): // for good
		return outcome.Errorf(outcome.ErrTransportClosed, "%v", err)
	}
	return outcome.Errorf(outcome.ErrDisconnected, "%v", err)
}

// task is one of the flusher's.
type task func()

// Run implements pool.Task.
func (f task) Run(pool.Slot) { f() }

// later has the flusher publish a message that no caller waits for. waits, which may be nil, is counted down then.
func (l *link) later(subject string, data []byte, waits *atomic.Int32) {
	t := l.t
	t.flusher.Go(task(func() {
		if err := t.nc.Load().Publish(subject, data); err != nil {
			t.log.Warn("message was not sent", "subject", subject, "error", err)
		}
		if waits != nil {
			waits.Add(-1)
		}
	}))
}
