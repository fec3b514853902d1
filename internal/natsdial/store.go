// The connection of a store: its options, its errors, and the wait for it

package natsdial

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/outcome"
)

// Store says where a store is and how it connects.
type Store struct {
	URL, Name, Prefix string
	Replicas          int
	Options           []nats.Option // the user's

	What  string // in the connection's name: membership, state
	Inbox string // where answers come, apart from inboxes that others may publish to; empty for nats.go's
}

// Validate refuses what no store can have.
func (s Store) Validate() error {
	switch {
	case s.URL == "":
		return outcome.Errorf(outcome.ErrBadOption, "URL is required")
	case len(s.Name) > MaxName:
		return outcome.Errorf(outcome.ErrBadOption, "Name of %d bytes: at most %d allowed", len(s.Name), MaxName)
	case s.Replicas < 0 || s.Replicas > 5:
		return outcome.Errorf(outcome.ErrBadOption, "Replicas %d: 1 to 5, or 0 for as many as fit", s.Replicas)
	}
	for token := range strings.SplitSeq(s.Prefix, ".") {
		if token == "_INBOX" || !Plain(token) {
			return outcome.Errorf(outcome.ErrBadOption, "Prefix %q: tokens of letters, digits, - and _, separated by dots, and not _INBOX", s.Prefix)
		}
	}
	return nil
}

// Plain reports whether a token has letters, digits, - and _ only, and at least one of them.
func Plain(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// Connect makes the store's connection. It must notice soon that a server is gone, and
// say so: a renewal that is sent minutes late is worse than none. last is the last of the
// connection's options. An error says whether waiting may mend it: outcome.ErrDisconnected.
func (s Store) Connect(ctx context.Context, last nats.Option) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name(Name(s.Name) + " " + s.What),
		nats.Timeout(2 * time.Second),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 200*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // credentials may be mended while the node runs
		nats.FlusherTimeout(2 * time.Second),
		nats.ReconnectOnFlusherError(),
	}
	if s.Inbox != "" {
		options = append(options, nats.CustomInboxPrefix(s.Inbox))
	}
	nc, err := Dial(ctx, s.URL, append(append(options, s.Options...), last))
	var parse *url.Error
	var unreachable *net.OpError
	sentinel := outcome.ErrBadOption
	switch {
	case err == nil:
		return nc, nil
	case ctx.Err() != nil:
		sentinel = outcome.ErrDisconnected
	case Refused(err):
		sentinel = outcome.ErrNotPermitted
	case errors.As(err, &parse):
		return nil, outcome.Errorf(outcome.ErrBadOption, "URL %s: %v", Redact(s.URL), parse.Err)
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout), errors.Is(err, io.EOF), errors.As(err, &unreachable):
		sentinel = outcome.ErrDisconnected
	}
	return nil, outcome.Errorf(sentinel, "connecting to %s: %v", Redact(s.URL), err)
}

// Hear returns a connection's last option: what the connection tells goes to these, and then
// to the user's own handlers. Nothing is sent after its caller has gone. At the announcement of the server's end
// the gate moves the connection.
func Hear(gate *Gate, failed func(sub *nats.Subscription, err error), lost func(error), back func()) nats.Option {
	return func(o *nats.Options) error {
		theirEnd := o.LameDuckModeHandler
		o.LameDuckModeHandler = func(nc *nats.Conn) {
			gate.Move(nc)
			if theirEnd != nil {
				theirEnd(nc)
			}
		}
		o.ReconnectBufSize = -1
		theirFailed, theirLost, theirBack := o.AsyncErrorCB, o.DisconnectedErrCB, o.ReconnectedCB
		o.AsyncErrorCB = func(nc *nats.Conn, sub *nats.Subscription, err error) {
			failed(sub, err)
			if theirFailed != nil {
				theirFailed(nc, sub, err)
			}
		}
		o.DisconnectedErrCB = func(nc *nats.Conn, err error) {
			lost(err)
			if theirLost != nil {
				theirLost(nc, err)
			}
		}
		o.ReconnectedCB = func(nc *nats.Conn) {
			back()
			gate.Back()
			if theirBack != nil {
				theirBack(nc)
			}
		}
		return nil
	}
}

// Wait is for what may not be there yet: a server, or a leader of JetStream.
type Wait struct {
	For  string           // in the error at the context's end
	Mend func(error) bool // reports whether waiting may mend an error
	Say  func(error)      // hears once of each error that waiting may mend
}

// Until tries until it succeeds, ctx ends, or it meets an error that waiting does not mend.
// atMost bounds one try, because servers without a leader do not answer.
func (w Wait) Until(ctx context.Context, try func(ctx context.Context, atMost time.Duration) error) error {
	said, last := "", error(nil)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := ctx.Err()
		if err == nil {
			err = try(ctx, 10*pause)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			why := strings.TrimPrefix(cmp.Or(last, err).Error(), outcome.ErrDisconnected.Error()+": ")
			return outcome.Errorf(outcome.ErrDisconnected, "%s: %s, %v", w.For, why, context.Cause(ctx)).WithCause(context.Cause(ctx))
		case !errors.Is(err, outcome.ErrDisconnected) && !w.Mend(err):
			return err
		}
		last = err
		if text := err.Error(); text != said {
			said = text
			w.Say(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
