// How the connection is, and its end for good

package natstransport

import (
	"context"
	"log/slog"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
)

// look asks nats.go how the connection is. The connection counts as up only when the watcher has
// taken every loss so far. A loss ends all calls that were sent before the watcher takes it, and
// must not end calls on the connection that has followed.
func (t *Transport) look(nc *nats.Conn, changes chan nats.Status) nats.Status {
	s, connected := nc.Status(), nc.IsConnected()
	t.maxPayload.Store(nc.MaxPayload())
	t.status.Store(int32(s))
	t.up.Store(connected && len(changes) == 0) // in this order: what has changed before is seen
	return s
}

// watch follows the state of a connection, until over or the end of the transport.
func (t *Transport) watch(nc *nats.Conn, changes chan nats.Status, over chan struct{}) {
	defer t.disconnect(nc, changes)
	for {
		select {
		case s := <-changes:
			t.changed(nc, changes, s)
		case <-over:
			return
		case <-t.quit:
			return
		}
	}
}

// changed takes a change of a connection.
func (t *Transport) changed(nc *nats.Conn, changes chan nats.Status, s nats.Status) {
	t.moves.now.Lock()
	defer t.moves.now.Unlock()
	if t.nc.Load() != nc {
		return // the move looks at it
	}
	if s != nats.CONNECTED {
		t.up.Store(false) // before look, which may wait for a server that does not answer
		t.status.Store(int32(s))
		t.lose(outcome.Errorf(outcome.ErrConnectionLost, "status %v", s))
	}
	level := slog.LevelWarn
	if s == nats.CONNECTED {
		level = slog.LevelInfo
	}
	t.log.Log(context.Background(), level, "NATS connection", "status", s.String())
	if t.look(nc, changes) == nats.CLOSED {
		t.breaks()
	}
	if s == nats.CONNECTED {
		t.ears.again.reconnected()
	}
}

// breaks is called when the connection has ended for good although this transport was not
// closed: nats.go tries no more, or the program that gave the connection has closed it. The
// nodes on this transport end with an error.
func (t *Transport) breaks() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() || t.gone.Load() != nil {
		return
	}
	err := outcome.Errorf(outcome.ErrTransportClosed, "the connection has ended for good: %v", t.nc.Load().LastError())
	if t.nc.Load().LastError() == nil {
		err = outcome.Errorf(outcome.ErrTransportClosed, "the connection was closed")
	}
	t.log.Error("NATS connection has ended for good", "error", err)
	told := map[*dispatch.Lifetime]bool{}
	for s := range t.subs {
		if s.life != nil && !told[s.life] {
			told[s.life] = true
			s.life.Report(err)
		}
	}
	t.gone.Store(err)
	close(t.broken)
}

// Connected implements [transport.ConnectionTransport].
func (t *Transport) Connected() bool { return t.up.Load() }

// Broken implements [transport.ConnectionTransport]. A connection ends for good when
// nats.go gives up (at a limit of its options, or at a repeated refusal of the
// server), or when the program that gave it has closed it.
func (t *Transport) Broken() <-chan struct{} { return t.broken }

func (t *Transport) disconnect(nc *nats.Conn, changes chan nats.Status) {
	t.unlisten(nc)
	nc.RemoveStatusListener(changes)
	if t.opts.Conn == nil {
		nc.Close()
	}
}
