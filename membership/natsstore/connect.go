// The store's own connection

package natsstore

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/internal/natsdial"
)

// link is the store's connection, and the calls that wait for answers on it.
type link struct {
	opts Options
	log  *slog.Logger
	nc   *nats.Conn
	js   jetstream.JetStream
	gate natsdial.Gate // for calls

	mu          sync.Mutex
	closed      bool
	inboxes     string // of the connection, with the last dot
	calls       map[*call]struct{}
	inboxDenied error
}

// connect makes the store's connection.
func (l *link) connect(ctx context.Context, _ time.Duration) error {
	nc, err := l.opts.store().Connect(ctx, natsdial.Hear(&l.gate, l.heard, l.lost, l.back))
	if err != nil {
		return err
	}
	if l.js, err = jetstream.New(nc); err != nil {
		nc.Close()
		return err
	}
	inbox := nc.NewInbox()
	l.mu.Lock()
	l.inboxes = inbox[:strings.LastIndexByte(inbox, '.')+1]
	l.mu.Unlock()
	l.nc = nc
	return nil
}

func (l *link) sayWaits(err error) {
	l.log.Warn("waiting for the store of members", slog.Any("error", err))
}

func (l *link) lost(err error) {
	switch {
	case l.isClosed():
	case l.gate.Held():
		l.log.Info("the NATS server of the store of members announces its end: connecting to another")
	case err == nil: // by Reconnect
		l.log.Warn("the store's server does not answer: connecting to another")
	default:
		l.log.Warn("lost the connection to the store of members", slog.Any("error", err))
	}
}

func (l *link) back() {
	l.mu.Lock()
	l.inboxDenied = nil // the server repeats it if it still holds
	l.mu.Unlock()
	l.log.Info("connected to the store of members again")
}

// closes marks everything that ends from now on as ended by the store's end.
func (l *link) closes() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *link) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
