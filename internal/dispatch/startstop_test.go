package dispatch

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/internal/startstoptest"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

func TestStartStop(t *testing.T) {
	startstoptest.Close(t, func(t *testing.T) startstoptest.Service {
		d := NewDispatcher(transport.Limits{}, silent)
		var work startstoptest.Work
		s, err := d.Subscribe(t.Context(), Subscriber{Receiver: d.life.ReceiverFunc(func(context.Context, transport.Envelope) ([]byte, error) {
			work.Do()
			return nil, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		return startstoptest.Service{
			Close:   d.Close,
			Use:     func(ctx context.Context) error { _, err := s.Do(ctx, transport.Envelope{Type: "Use"}); return err },
			Refused: func(err error) bool { return outcome.Of(err).NeverRan() },
			Busy:    work.Running,
		}
	})
}
