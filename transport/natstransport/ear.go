// Ears: the subjects that this end hears

package natstransport

import "github.com/nats-io/nats.go"

// ear is one subject that this end hears. While the end moves, it hears the subject over two connections.
type ear struct {
	t              *Transport
	subject, queue string

	// Guarded by t.mu.
	sub *nats.Subscription // over the newest connection
	old *nats.Subscription // over the connection that goes; nil unless the end moves
	was *nats.Subscription // before sub: its last messages may still come
}

// hear begins to hear a subject; with a queue it is one of several that share the messages. It is
// called with mu held.
func (t *Transport) hear(subject, queue string) (*ear, error) {
	e := &ear{t: t, subject: subject, queue: queue}
	var err error
	if e.sub, err = e.over(t.nc.Load()); err != nil {
		return nil, err
	}
	t.ears[e.sub] = e
	if next := t.moves.next; next != nil && next != t.nc.Load() {
		if err = e.also(next); err != nil {
			e.stop()
			return nil, err
		}
	}
	return e, nil
}

// renew subscribes anew over the one connection. What has come before is still handed on. It is called
// with mu held.
func (e *ear) renew() {
	_ = e.sub.Drain() // first: nats.go may have subscribed it anew too, and no message may come twice
	sub, err := e.over(e.t.nc.Load())
	if err != nil {
		return // the connection is closed
	}
	delete(e.t.ears, e.was)
	e.was, e.sub = e.sub, sub
	e.t.ears[sub] = e
}

// also hears over a second connection. It is called with mu held.
func (e *ear) also(nc *nats.Conn) error {
	sub, err := e.over(nc)
	if err == nil {
		e.old, e.sub = e.sub, sub
		e.t.ears[sub] = e
	}
	return err
}

// one hears over one of two connections again: the new one, or the old. It is called with mu held.
func (e *ear) one(new bool) {
	if e.old == nil {
		return
	}
	gone := e.old
	if !new {
		gone, e.sub = e.sub, e.old
	}
	e.old = nil
	_ = gone.Unsubscribe() // it fails if the connection has gone
	delete(e.t.ears, gone)
}

func (e *ear) over(nc *nats.Conn) (*nats.Subscription, error) {
	if e.queue != "" {
		return nc.ChanQueueSubscribe(e.subject, e.queue, e.t.in)
	}
	return nc.ChanSubscribe(e.subject, e.t.in)
}

// stop ends an ear; nil is none. It is called with t.mu held.
func (e *ear) stop() {
	if e == nil {
		return
	}
	e.unsubscribe()
	for _, sub := range []*nats.Subscription{e.sub, e.old, e.was} {
		delete(e.t.ears, sub)
	}
}

// unsubscribe takes the server's interest back. What has come is still read. It is called with t.mu held.
func (e *ear) unsubscribe() {
	for _, sub := range []*nats.Subscription{e.sub, e.old} {
		if sub != nil {
			_ = sub.Unsubscribe() // it fails if the connection has gone
		}
	}
}

// silence is unsubscribe without t.mu.
func (e *ear) silence() {
	e.t.mu.Lock()
	defer e.t.mu.Unlock()
	e.unsubscribe()
}

// drain is silence, but what the server has sent before still comes. It returns false if it will not, because
// there is no connection. A drain that waits for the connection would subscribe again when it is back,
// and nothing would read what the server sends.
func (e *ear) drain() bool {
	nc := e.t.nc.Load()
	e.t.mu.Lock()
	sub := e.sub
	e.t.mu.Unlock()
	if nc.IsConnected() && sub.Drain() == nil && nc.IsConnected() {
		return true
	}
	e.silence()
	return false
}
