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

// call waits for an answer to what it has published.
type call struct {
	subject string
	end     context.CancelCauseFunc
}

// hear bounds a call in time. It also ends the call's context if the server does not
// permit the call's subject: the server tells the connection so, and does not answer
// the call.
func (l *link) hear(ctx context.Context, subject string) (context.Context, func()) {
	cancel := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
	}
	ctx, end := context.WithCancelCause(ctx)
	c := &call{subject, end}
	leave := func() {}
	if l.gate.Wait(ctx) { // else ctx has ended
		leave = l.gate.Leave
	}
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
		leave()
		end(nil)
		cancel()
	}
}

// heard takes the errors that nats.go has no caller for.
func (l *link) heard(sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		l.log.Error("not permitted by the server", slog.Any("error", err))
		l.deny(err)
	case errors.Is(err, nats.ErrSlowConsumer) && sub != nil:
		l.log.Warn("missed writes that the servers published: they came too fast", slog.String("subject", sub.Subject))
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

// begun returns when the server knows of a subscription, or when there is no
// connection.
func (l *link) begun(subject string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err := l.nc.FlushWithContext(ctx)
	if l.isClosed() {
		return l.mapped(ctx, nats.ErrConnectionClosed)
	}
	if err != nil {
		return nil // the subscription is made when the connection is
	}
	last := l.nc.LastError()
	if errors.Is(last, nats.ErrPermissionViolation) && strings.Contains(last.Error(), "Subscription to "+strconv.Quote(subject)) {
		return outcome.Errorf(outcome.ErrNotPermitted, "%v", last)
	}
	return nil
}

// mapped translates an error of nats.go for callers.
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
