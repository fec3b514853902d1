package show

import (
	"errors"
	"net"
	"sync"
)

// Wire dials a node's connections, and can cut them, as a crash does.
type Wire struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// Dial implements nats.CustomDialer.
func (w *Wire) Dial(network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errors.New("cut off")
	}
	conn, err := net.Dial(network, address)
	if err == nil {
		w.conns = append(w.conns, conn)
	}
	return conn, err
}

// Cut ends all connections, for good.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, conn := range w.conns {
		_ = conn.Close()
	}
}
