package natsstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/startstoptest"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/outcome"
)

func TestStartStop(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	startstoptest.Close(t, func(t *testing.T) startstoptest.Service {
		s := open(t, natsstore.Options{URL: url})
		return startstoptest.Service{
			Close:   s.Close,
			Use:     func(ctx context.Context) error { _, err := s.Read(ctx, "cfg"); return err },
			Refused: func(err error) bool { return errors.Is(err, outcome.ErrTransportClosed) },
		}
	})
}
