package howto_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/timers.md

type (
	// Parcel goes back if it was not fetched in time. Nothing asks for it until then, so it is passive.
	Parcel struct {
		Until time.Time
		Back  bool
	}
	Lodge struct{ For time.Duration }
	Wake  struct{}

	// Alarms is one of the lists of parcels that are to be woken, and when.
	Alarms struct{ At map[string]time.Time }
	Set    struct {
		Key string
		At  time.Time
	}
	Clear   struct{ Key string }
	Waiting struct{ N int }
	Ring    struct{}
)

// Lodge sets the alarm before its own state is stored: an alarm without a parcel does no harm.
func (p *Parcel) Lodge(c *actor.Context, m Lodge) (Parcel, error) {
	until := time.Now().Add(m.For)
	if _, err := clstr.Ask[Waiting](c, alarmOf(c), Set{c.Key(), until}); err != nil {
		return Parcel{}, err
	}
	p.Until = until
	return *p, nil
}

// Wake may come early or twice, so it looks at the clock and the state. What it does is stored
// before the alarm is cleared. Until then Wake comes again.
func (p *Parcel) Wake(c *actor.Context, _ Wake) error {
	if time.Now().Before(p.Until) {
		return nil
	}
	p.Back = !p.Until.IsZero()
	if err := c.Save(); err != nil {
		return err
	}
	_, err := clstr.Ask[Waiting](c, alarmOf(c), Clear{c.Key()})
	return err
}

func (a *Alarms) Set(_ *actor.Context, m Set) (Waiting, error) {
	a.At[m.Key] = m.At
	return Waiting{len(a.At)}, nil
}

func (a *Alarms) Clear(_ *actor.Context, m Clear) (Waiting, error) {
	delete(a.At, m.Key)
	return Waiting{len(a.At)}, nil
}

// Ring tells and does not ask: a parcel that asks this list at the same moment would be in a circle.
func (a *Alarms) Ring(c *actor.Context, _ Ring) error {
	for key, at := range a.At {
		if !time.Now().Before(at) {
			clstr.TellAsync(c, clstr.From(c).Kind("parcel").Key(key), Wake{}) // if it is lost, the next Ring tells again
		}
	}
	return nil
}

const lists = 16 // of alarms: enough for some 10,000 alarms

// alarmOf is the list that has the alarm of the entity.
func alarmOf(c *actor.Context) *cluster.ScopedClient {
	hash := fnv.New32a()
	hash.Write([]byte(c.Key()))
	return clstr.From(c).Kind("alarms").Key(fmt.Sprint(hash.Sum32() % lists))
}

// ring runs in each process, beside the service. It wakes all lists, wherever they live.
func ring(ctx context.Context, svc *clstr.Service, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for i := range lists {
			clstr.TellAsync(ctx, svc.Kind("alarms").Key(fmt.Sprint(i)), Ring{})
		}
	}
}

var parcels = actor.Define("parcel", func(string) *Parcel { return &Parcel{} },
	actor.OnRequest((*Parcel).Lodge), actor.OnNotify((*Parcel).Wake),
	actor.Durable(actor.Persistence{}), actor.PassivateAfter(time.Minute))

var alarms = actor.Define("alarms", func(string) *Alarms { return &Alarms{At: map[string]time.Time{}} },
	actor.OnRequest((*Alarms).Set), actor.OnRequest((*Alarms).Clear), actor.OnNotify((*Alarms).Ring),
	actor.Durable(actor.Persistence{}))

func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := testkit.Open(t, parcels, alarms)
		ctx, cancel := context.WithCancel(t.Context())
		rings := make(chan struct{})
		go func() { ring(ctx, svc, time.Minute); close(rings) }() // ends with cancel
		parcel := svc.Key(parcels, "p-1")
		lodged, err := clstr.Ask[Parcel](t.Context(), parcel, Lodge{5 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			after time.Duration
			want  Parcel
		}{{4 * time.Minute, lodged}, {3 * time.Minute, Parcel{lodged.Until, true}}} {
			time.Sleep(c.after)                                                 // virtual
			for change, err := range clstr.Watch[Parcel](t.Context(), parcel) { // what is stored: to ask would wake it
				if err != nil || !change.State.Until.Equal(c.want.Until) || change.State.Back != c.want.Back {
					t.Errorf("stored is %+v, %v; want %+v", change.State, err, c.want)
				}
				break
			}
		}
		cancel()
		<-rings
		for i := range lists {
			if left, err := clstr.Ask[Waiting](t.Context(), svc.Key(alarms, fmt.Sprint(i)), Clear{}); err != nil || left.N != 0 {
				t.Errorf("list %d: %+v, %v", i, left, err)
			}
		}
	})
}

// The list cannot be told that the parcel has gone back, and then the parcel's node dies. The alarm is still there, and
// comes again.
func TestAlarmComesAgain(t *testing.T) {
	var clears atomic.Int32
	list := testkit.StubClient(func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Type == "Clear" && clears.Add(1) == 1 {
			return nil, errors.New("the list's node has died")
		}
		return json.Marshal(Waiting{})
	})
	testkit.Alone(t, parcels.New, "p-1", testkit.AloneOptions{Client: list}, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[Parcel](e, Lodge{time.Hour}); err != nil {
			t.Fatal(err)
		}
		e.Advance(time.Hour)
		for range 2 {
			if err := e.Notify(Wake{}); err != nil {
				t.Error(err)
			}
			e.Wait()
			var stored Parcel
			if err := json.Unmarshal(e.Stored().State, &stored); err != nil || !stored.Back {
				t.Errorf("stored is %+v, %v", stored, err)
			}
			e.Crash()
		}
	})
	if n := clears.Load(); n != 2 {
		t.Errorf("%d tries to clear the alarm, want 2", n)
	}
}
