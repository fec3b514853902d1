// The store's own connection

package natsstore

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/outcome"
)

// link is the store's connection, and the calls that wait for answers on it.
type link struct {
	opts Options
	log  *slog.Logger
	nc   *nats.Conn
	js   jetstream.JetStream

	mu          sync.Mutex
	closed      bool
	inboxes     string // of the connection, with the last dot
	calls       map[*call]struct{}
	inboxDenied error
}

// connect makes the store's connection. It must notice soon that a server is gone, and
// say so: a renewal that is sent minutes late is worse than none.
func (l *link) connect(ctx context.Context, _ time.Duration) error {
	options := append([]nats.Option{
		nats.Name(natsdial.Name(l.opts.Name) + " membership"),
		nats.Timeout(2 * time.Second),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 200*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // credentials may be mended while the node runs
		nats.FlusherTimeout(2 * time.Second),
		nats.ReconnectOnFlusherError(),
		nats.CustomInboxPrefix(inboxesOf(l.opts.Prefix)), // apart from those that others may publish to
	}, l.opts.NATSOptions...)
	options = append(options, l.listen)
	nc, err := natsdial.Dial(ctx, l.opts.URL, options)
	var parse *url.Error
	var unreachable *net.OpError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return outcome.Errorf(outcome.ErrDisconnected, "connecting to %s: %v", natsdial.Redact(l.opts.URL), err)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return outcome.Errorf(outcome.ErrNotPermitted, "connecting to %s: %v", natsdial.Redact(l.opts.URL), err)
	case errors.As(err, &parse):
		return outcome.Errorf(outcome.ErrBadOption, "URL %s: %v", natsdial.Redact(l.opts.URL), parse.Err)
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout), errors.Is(err, io.EOF), errors.As(err, &unreachable):
		return outcome.Errorf(outcome.ErrDisconnected, "connecting to %s: %v", natsdial.Redact(l.opts.URL), err)
	default:
		return outcome.Errorf(outcome.ErrBadOption, "connecting to %s: %v", natsdial.Redact(l.opts.URL), err)
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

// listen is the last of the connection's options. It hears what the user's own handlers
// hear, and sets what must not be changed.
func (l *link) listen(o *nats.Options) error {
	o.ReconnectBufSize = -1 // nothing is sent after its caller has gone
	failed, lost, back := o.AsyncErrorCB, o.DisconnectedErrCB, o.ReconnectedCB
	o.AsyncErrorCB = func(nc *nats.Conn, sub *nats.Subscription, err error) {
		l.heard(sub, err)
		if failed != nil {
			failed(nc, sub, err)
		}
	}
	o.DisconnectedErrCB = func(nc *nats.Conn, err error) {
		switch {
		case l.isClosed():
		case err == nil: // by Reconnect
			l.log.Warn("the store's server does not answer: connecting to another")
		default:
			l.log.Warn("lost the connection to the store of members", slog.Any("error", err))
		}
		if lost != nil {
			lost(nc, err)
		}
	}
	o.ReconnectedCB = func(nc *nats.Conn) {
		l.mu.Lock()
		l.inboxDenied = nil // the server repeats it if it still holds
		l.mu.Unlock()
		l.log.Info("connected to the store of members again")
		if back != nil {
			back(nc)
		}
	}
	return nil
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
