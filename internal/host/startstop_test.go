package host_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/startstoptest"
	"github.com/clstr-go/clstr/outcome"
)

func TestStartStop(t *testing.T) {
	startstoptest.Close(t, func(t *testing.T) startstoptest.Service {
		var work startstoptest.Work
		var names atomic.Int32
		w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
			return &entity{
				handle:    func(c *host.Context) { work.Do(); c.Call().Reply(nil, nil); work.Do() },
				passivate: func(*host.Context) { work.Do() },
			}, nil
		}})
		return startstoptest.Service{
			Close: func() error { return w.Stop(context.Background()) },
			Use: func(context.Context) error {
				c := newCall()
				key := string(rune('a' + names.Add(1)%20))
				c.msg = host.Message{Type: "Use", Key: key}
				if err := w.Deliver(0, key, c); err != nil {
					return err
				}
				_, err := c.wait(t)
				return err
			},
			Refused: func(err error) bool { return errors.Is(err, outcome.ErrDraining) },
			Busy:    work.Running,
		}
	})
}
