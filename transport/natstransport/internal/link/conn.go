// The connection to NATS: how it is, and its end for good

package link

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
)

// writeTimeout is the default time after which a connection of our own is given up and made anew
// if the network takes nothing from it.
const writeTimeout = 5 * time.Second

// pingEvery is how often a connection of our own asks its server whether it is there. After two
// questions without an answer it connects anew.
const pingEvery = 2 * time.Second

// reconnectWait is the pause before a connection of our own is made again, and reconnectJitter what comes on
// top at random: the data path is back together with the stores, and long before callers would take its node
// for dead. By default nats.go waits for 2 s, also where the server has never been away.
const (
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
)

// conn is the present connection of a link. A move puts another one in its place.
type conn struct {
	l  *Link
	nc atomic.Pointer[nats.Conn]

	// The state that nats.go tells only under a lock that it holds while it writes. The watcher sets
	// it.
	up     atomic.Bool // the connection is there
	status atomic.Int32
	gone   atomic.Pointer[outcome.Error] // why it has ended for good
	broken chan struct{}                 // closed with gone

	// MaxMessage is how large a message may be; 0 until the watcher has seen that there is a server.
	MaxMessage atomic.Int64
}

// Conn returns the present connection.
func (c *conn) Conn() *nats.Conn { return c.nc.Load() }

// Up reports whether the connection is there.
func (c *conn) Up() bool { return c.up.Load() }

// Broken is closed when the connection has ended for good.
func (c *conn) Broken() <-chan struct{} { return c.broken }

// Ends returns why the connection has ended for good; nil if it has not.
func (c *conn) Ends() *outcome.Error { return c.gone.Load() }

// look asks nats.go how the connection is. The connection counts as up only when the watcher has
// taken every loss so far. A loss ends all calls that were sent before the watcher takes it, and
// must not end calls on the connection that has followed.
func (c *conn) look(nc *nats.Conn, changes chan nats.Status) nats.Status {
	s, connected := nc.Status(), nc.IsConnected()
	c.MaxMessage.Store(nc.MaxPayload())
	c.status.Store(int32(s))
	c.up.Store(connected && len(changes) == 0) // in this order: what has changed before is seen
	return s
}

// watch follows the state of a connection, until over or the end of the link.
func (c *conn) watch(nc *nats.Conn, changes chan nats.Status, over chan struct{}) {
	defer c.disconnect(nc, changes)
	for {
		select {
		case s := <-changes:
			c.changed(nc, changes, s)
		case <-over:
			return
		case <-c.l.quit:
			return
		}
	}
}

// changed takes a change of a connection.
func (c *conn) changed(nc *nats.Conn, changes chan nats.Status, s nats.Status) {
	l := c.l
	l.now.Lock()
	defer l.now.Unlock()
	if c.nc.Load() != nc {
		return // the move looks at it
	}
	l.change()
	if s != nats.CONNECTED {
		c.up.Store(false) // before look, which may wait for a server that does not answer
		c.status.Store(int32(s))
		l.opts.User.Lost(s)
	}
	if s == nats.CONNECTED {
		l.opts.Log.Info("NATS connection: connected again, calls go on", "status", s.String())
	} else {
		l.opts.Log.Warn("NATS connection: lost, calls to and from other processes wait or fail", "status", s.String())
	}
	if c.look(nc, changes) == nats.CLOSED {
		c.breaks()
	}
	if s == nats.CONNECTED {
		l.again.reconnected()
	}
}

// breaks is called when the connection has ended for good although this link was not
// closed: nats.go tries no more, or the program that gave the connection has closed it.
func (c *conn) breaks() {
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Closed() || c.gone.Load() != nil {
		return
	}
	err := outcome.Errorf(outcome.ErrTransportClosed, "the connection has ended for good: %v", c.nc.Load().LastError())
	if c.nc.Load().LastError() == nil {
		err = outcome.Errorf(outcome.ErrTransportClosed, "the connection was closed")
	}
	l.opts.Log.Error("NATS connection has ended for good", "error", err)
	l.opts.User.Broken(err)
	c.gone.Store(err)
	close(c.broken)
}

func (c *conn) disconnect(nc *nats.Conn, changes chan nats.Status) {
	natsdial.Unlisten(nc, &c.l.reports)
	nc.RemoveStatusListener(changes)
	if c.l.own() {
		nc.Close()
	}
}

// Ready returns an error if nothing can leave the process now.
func (c *conn) Ready() error {
	if c.up.Load() {
		return nil
	}
	if gone := c.gone.Load(); gone != nil {
		return gone
	}
	return outcome.Errorf(outcome.ErrDisconnected, "status %v", nats.Status(c.status.Load()))
}

// Publish publishes a message. If it returns an error, the message has not reached the server whole:
// a write that fails leaves out the end of the data, and the message is at the end.
func (c *conn) Publish(subject, reply string, data []byte) error {
	nc := c.nc.Load()
	err := nc.PublishRequest(subject, reply, data)
	if errors.Is(err, nats.ErrMaxPayload) {
		c.MaxMessage.Store(nc.MaxPayload()) // lowered meanwhile
	}
	if _, failed := errors.AsType[net.Error](err); failed && c.l.own() {
		_ = nc.ForceReconnect() // nats.go has dropped what it had not written
	}
	return err
}

// flushTimeout bounds a round trip to the server if the caller does not.
const flushTimeout = 5 * time.Second

// Flush returns when the server has seen all that was sent, and what it has
// refused of that was heard.
func (c *conn) Flush(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushTimeout)
		defer cancel()
	}
	if err := c.nc.Load().FlushWithContext(ctx); err != nil {
		if ctx.Err() != nil {
			return outcome.ContextError(ctx.Err(), outcome.NotSent)
		}
		return NotSent(err)
	}
	c.l.reports.all(ctx)
	return nil
}

// options are those of a connection of our own. The program's come last, and win.
func (c *conn) options() []nats.Option {
	return append([]nats.Option{
		nats.Name(natsdial.Name(c.l.opts.Name)),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(writeTimeout),
		nats.ReconnectOnFlusherError(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // see natsdial.Listen; by default nats.go prints
	}, c.l.opts.NATSOptions...)
}

// dial makes a connection of our own.
func (c *conn) dial(ctx context.Context, servers string, last ...nats.Option) (*nats.Conn, error) {
	nc, err := natsdial.Dial(ctx, servers, append(append(c.options(), c.l.announces), last...))
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

// NotSent makes the error of a message that has not left the process.
func NotSent(err error) *outcome.Error {
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
