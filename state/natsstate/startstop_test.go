package natsstate_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/startstoptest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
)

func TestStartStop(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	startstoptest.Close(t, func(t *testing.T) startstoptest.Service {
		s := open(t, natsstate.Options{URL: url})
		return startstoptest.Service{
			Close: s.Close,
			Use: func(ctx context.Context) error {
				_, _, err := s.Read(ctx, state.Token{}, state.Range{Place: state.Records, Shard: 7})
				return err
			},
			Refused: func(err error) bool { return errors.Is(err, state.ErrClosed) },
			Cut:     func(err error) bool { return !state.Refused(err) },
		}
	})
}
