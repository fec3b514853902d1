package howto_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// docs/howto/call-another.md

type (
	Sensor  struct{ Last int }
	Reading struct{ Number int }
	Newest  struct{}
)

// Take takes the readings in their order, and each once.
func (s *Sensor) Take(_ *actor.Context, r Reading) error {
	if r.Number == s.Last+1 {
		s.Last++
	}
	return nil
}

func (s *Sensor) Newest(*actor.Context, Newest) (Sensor, error) { return *s, nil }

var sensors = actor.Define("sensor", func(string) *Sensor { return &Sensor{} },
	actor.OnNotify((*Sensor).Take), actor.OnQuery((*Sensor).Newest), actor.Durable(actor.Persistence{}))

// feed sends a sensor its next readings, and returns the last one that is stored.
func feed(ctx context.Context, sensor *cluster.ScopedClient, readings []Reading) (Sensor, error) {
	receipts := make([]*cluster.Receipt, len(readings))
	for i, reading := range readings {
		receipts[i] = clstr.TellAsync(ctx, sensor, reading)
	}
	var errs []error
	for _, receipt := range receipts {
		errs = append(errs, receipt.Wait(ctx))
	}
	newest, err := patient[Sensor](ctx, sensor, Newest{}) // comes after the readings, and waits until they are stored
	return newest, errors.Join(append(errs, err)...)
}

func readings(n int) []Reading {
	all := make([]Reading, n)
	for i := range all {
		all[i].Number = i + 1
	}
	return all
}

// TestManyToOneKey: the sender is quicker than the sensor, and is slowed. Nothing is refused or taken twice.
func TestManyToOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := clstr.Open(t.Context(), clstr.Options{
			Name: "howto", On: clstr.Memory(), Entities: clstr.Host(sensors), Log: quiet,
			Node: cluster.NodeOptions{Around: func(ctx context.Context, _ *cluster.Incoming, next func(context.Context) error) error {
				time.Sleep(time.Millisecond) // more than the sender takes
				return next(ctx)
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, svc)
		sensor := svc.Key(sensors, "s-1")
		all := readings(3000) // a mailbox has room for 1,024
		if newest, err := feed(t.Context(), sensor, all); err != nil || newest.Last != len(all) {
			t.Errorf("%v were taken, %v", newest, err)
		}
		if newest, err := feed(t.Context(), sensor, all[:1000]); err != nil || newest.Last != len(all) {
			t.Errorf("again: %v, %v", newest, err)
		}
	})
}
