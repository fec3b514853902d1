// What a connection reports, for all that use the connection

package natsdial

import (
	"slices"
	"sync"

	"github.com/nats-io/nats.go"
)

// Listener hears what nats.go can tell no caller of a connection.
type Listener interface {
	// Report takes an error. alone says whether there is no other listener. done, which is called when all have
	// heard, may not be nil.
	Report(sub *nats.Subscription, err error, alone bool) (done func())
}

// hubs are the error handlers of connections that have listeners. A connection has one handler. But there may be
// several listeners, and the connection may have come with a handler of its user.
var hubs = struct {
	sync.Mutex
	of map[*nats.Conn]*hub
}{of: map[*nats.Conn]*hub{}}

// hub tells listeners, and the handler that was there before, what a connection reports. The mutex of hubs guards the
// list.
type hub struct {
	before    nats.ErrHandler
	listeners []Listener
}

// Listen has a listener hear what a connection reports, until Unlisten.
func Listen(nc *nats.Conn, l Listener) {
	hubs.Lock()
	defer hubs.Unlock()
	h := hubs.of[nc]
	if h == nil {
		h = &hub{before: nc.ErrorHandler()}
		hubs.of[nc] = h
		nc.SetErrorHandler(h.handle)
	}
	h.listeners = append(h.listeners, l)
}

// Unlisten undoes Listen.
func Unlisten(nc *nats.Conn, l Listener) {
	hubs.Lock()
	defer hubs.Unlock()
	h := hubs.of[nc]
	h.listeners = slices.DeleteFunc(h.listeners, func(other Listener) bool { return other == l })
	if len(h.listeners) == 0 {
		nc.SetErrorHandler(h.before)
		delete(hubs.of, nc)
	}
}

func (h *hub) handle(nc *nats.Conn, sub *nats.Subscription, err error) {
	hubs.Lock()
	listeners := slices.Clone(h.listeners)
	hubs.Unlock()
	for _, l := range listeners {
		defer l.Report(sub, err, len(listeners) == 1)()
	}
	if h.before != nil {
		h.before(nc, sub, err)
	}
}
