// Requests, and refused permissions

package natsstore

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/outcome"
)

// call is something that waits for an answer to what it publishes.
type call struct {
	subject string
	end     context.CancelCauseFunc
}

// hear bounds a call, and ends its context when the server does not permit its
// subject: it tells the connection so, and answers nothing.
func (s *Store) hear(ctx context.Context, subject string) (context.Context, func()) {
	cancel := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
	}
	ctx, end := context.WithCancelCause(ctx)
	c := &call{subject, end}
	s.mu.Lock()
	s.calls[c] = struct{}{}
	denied := s.inboxDenied
	s.mu.Unlock()
	if denied != nil {
		end(denied)
	}
	return ctx, func() {
		s.mu.Lock()
		delete(s.calls, c)
		s.mu.Unlock()
		end(nil)
		cancel()
	}
}

// heard takes what nats.go has nobody else to tell.
func (s *Store) heard(sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		s.log.Error("not permitted by the server", slog.Any("error", err))
		s.deny(err)
	case errors.Is(err, nats.ErrSlowConsumer) && sub != nil:
		s.log.Warn("hints of what was written were dropped: they came too fast", slog.String("subject", sub.Subject))
	default:
		s.log.Warn("NATS reports an error", slog.Any("error", err))
	}
}

func (s *Store) deny(err error) {
	text := err.Error()
	denied := outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Contains(text, `Subscription to "`+s.inboxes) && s.inboxes != ""
	if all {
		s.inboxDenied = denied
	}
	for c := range s.calls {
		if all || strings.Contains(text, "Publish to "+strconv.Quote(c.subject)) {
			c.end(denied)
		}
	}
}

// request publishes a message and returns the answer.
func (s *Store) request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, done := s.hear(ctx, m.Subject)
	defer done()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	answer, err := s.nc.RequestMsgWithContext(ctx, m)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, s.unanswered(ctx)
	}
	if err != nil {
		return nil, s.mapped(ctx, err)
	}
	return answer, nil
}
