// Requests, refused permissions, and what errors of nats.go mean

package natsstore

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/outcome"
)

// call is something that waits for an answer to what it publishes.
type call struct {
	subject string
	end     context.CancelCauseFunc
}

// hear bounds a call, and ends its context when the server does not permit its
// subject: it tells the connection so, and answers nothing.
func (l *link) hear(ctx context.Context, subject string) (context.Context, func()) {
	cancel := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
	}
	ctx, end := context.WithCancelCause(ctx)
	c := &call{subject, end}
	l.mu.Lock()
	l.calls[c] = struct{}{}
	denied := l.inboxDenied
	l.mu.Unlock()
	if denied != nil {
		end(denied)
	}
	return ctx, func() {
		l.mu.Lock()
		delete(l.calls, c)
		l.mu.Unlock()
		end(nil)
		cancel()
	}
}

// heard takes what nats.go has nobody else to tell.
func (l *link) heard(sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		l.log.Error("not permitted by the server", slog.Any("error", err))
		l.deny(err)
	case errors.Is(err, nats.ErrSlowConsumer) && sub != nil:
		l.log.Warn("hints of what was written were dropped: they came too fast", slog.String("subject", sub.Subject))
	default:
		l.log.Warn("NATS reports an error", slog.Any("error", err))
	}
}

func (l *link) deny(err error) {
	text := err.Error()
	denied := outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.Contains(text, `Subscription to "`+l.inboxes) && l.inboxes != ""
	if all {
		l.inboxDenied = denied
	}
	for c := range l.calls {
		if all || strings.Contains(text, "Publish to "+strconv.Quote(c.subject)) {
			c.end(denied)
		}
	}
}

// begun returns when the server knows of a subscription, or there is none.
func (l *link) begun(subject string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err := l.nc.FlushWithContext(ctx)
	if l.isClosed() {
		return l.mapped(ctx, nats.ErrConnectionClosed)
	}
	if err != nil {
		return nil // it is made when the connection is
	}
	last := l.nc.LastError()
	if errors.Is(last, nats.ErrPermissionViolation) && strings.Contains(last.Error(), "Subscription to "+strconv.Quote(subject)) {
		return outcome.Errorf(outcome.ErrNotPermitted, "%v", last)
	}
	return nil
}

// mapped gives an error of nats.go the meaning that callers know.
func (l *link) mapped(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case l.isClosed():
		return outcome.Errorf(outcome.ErrTransportClosed, "the store was closed").WithOutcome(outcome.MaybeRan)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting):
		return outcome.Errorf(outcome.ErrDisconnected, "%s", natsdial.Redact(l.opts.URL))
	case errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrBadSubscription): // it was sent
		return outcome.Errorf(outcome.ErrConnectionLost, "%v", err)
	case errors.Is(err, nats.ErrMaxPayload):
		return outcome.Errorf(outcome.ErrTooLarge, "%v", err)
	}
	return err
}
