// What all that starts must keep when it ends

package transporttest

import (
	"context"
	"errors"
	"testing"

	"github.com/clstr-go/clstr/internal/startstoptest"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// startStop ends each end of a pair beside requests.
func startStop(t *testing.T, h Harness) {
	for end, of := range map[string]func(Pair) func() error{
		"server": func(p Pair) func() error { return p.Server.Close },
		"client": func(p Pair) func() error { return p.Client.Close },
	} {
		t.Run(end, func(t *testing.T) {
			startstoptest.Close(t, func(t *testing.T) startstoptest.Service {
				p := h.New(t, transport.Limits{})
				t.Cleanup(func() { _, _ = p.Client.Close(), p.Server.Close() })
				var work startstoptest.Work
				_, err := p.Server.SubscribeShard(t.Context(), 1, func(context.Context, transport.Envelope) ([]byte, error) {
					work.Do()
					return nil, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				s := startstoptest.Service{
					Close: of(p),
					Use: func(ctx context.Context) error {
						_, err := p.Client.Request(ctx, transport.Envelope{Shard: 1, Type: "Use"})
						return err
					},
					Refused: func(err error) bool { return outcome.Of(err).NeverRan() },
				}
				if end == "server" {
					s.Busy = work.Running
				} else {
					s.Cut = func(err error) bool { return errors.Is(err, outcome.ErrTransportClosed) }
				}
				return s
			})
		})
	}
}
