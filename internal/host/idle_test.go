package host_test

import (
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
)

// bubble runs f in a bubble of virtual time, in which the whole host lives.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

// idleEntity notes when its stop hook runs.
func idleEntity(ended chan<- time.Time, handle func(*host.Context)) func(string) (host.Actor, error) {
	return making(func(string) *entity {
		return &entity{handle: handle, passivate: func(*host.Context) { ended <- time.Now() }}
	})
}

func TestIdlePassivation(t *testing.T) {
	const d = 8 * time.Minute
	// The idler's steps begin with the first key; a later one falls between them.
	for _, offset := range []time.Duration{0, 1, 30 * time.Second, time.Minute - 1, time.Minute, 61 * time.Second, 9 * time.Minute} {
		bubble(t, func(t *testing.T) {
			ended := make(chan time.Time, 10)
			w := newWorld(t, host.Options{IdleAfter: d, Factory: idleEntity(ended, nil)})
			if offset > 0 {
				w.want("before", "go", "")
				pass(offset)
			}
			began := time.Now()
			w.want("k", "go", "")
			synctest.Wait()
			for len(ended) > 0 {
				<-ended
			}
			for w.Active() > 0 {
				pass(time.Second)
				synctest.Wait()
			}
			var last time.Time
			for len(ended) > 0 {
				last = <-ended
			}
			if idle := last.Sub(began); idle < d || idle > d+d/8 {
				t.Errorf("offset %v: passivated after %v, not between %v and %v", offset, idle, d, d+d/8)
			}
		})
	}
}

// TestUseKeepsAKey: what gets a message in time stays, beside others that do
// not.
func TestUseKeepsAKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const d = 8 * time.Minute
		ended := make(chan time.Time, 10)
		w := newWorld(t, host.Options{IdleAfter: d, Factory: idleEntity(ended, nil)})
		w.want("idle", "go", "")
		for range 20 {
			w.want("used", "go", "")
			pass(d - time.Second)
		}
		synctest.Wait()
		if w.Active() != 1 || len(ended) != 1 {
			t.Errorf("%d active, %d stopped; want the one that is used, and the other", w.Active(), len(ended))
		}
	})
}

// TestBusyIsNotIdle: a turn that takes longer than the idle time is not cut
// short, and the key is idle from its end only.
func TestBusyIsNotIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const d = 2 * time.Second
		ended := make(chan time.Time, 10)
		var turnEnded time.Time
		w := newWorld(t, host.Options{IdleAfter: d, Factory: idleEntity(ended, func(c *host.Context) {
			pass(10 * d)
			turnEnded = time.Now()
			c.Call().Reply(nil, nil)
		})})
		w.want("k", "go", "")
		at := <-ended
		if idle := at.Sub(turnEnded); idle < 0 || idle > d+d/8 {
			t.Errorf("passivated %v after the turn's end", idle)
		}
	})
}

// TestPassivateAfter: a definition's idle time counts where the host has none,
// and periodic work does not stretch it.
func TestPassivateAfter(t *testing.T) {
	for _, c := range []struct{ host, want time.Duration }{{0, 8 * time.Minute}, {16 * time.Minute, 16 * time.Minute}} {
		bubble(t, func(t *testing.T) {
			b := newBeat()
			w := newWorld(t, host.Options{
				IdleAfter: c.host,
				Factory:   b.define(actor.PassivateAfter(8*time.Minute), actor.Every(time.Second, (*beat).tick)).New,
			})
			for range 3 { // each incarnation
				began := time.Now()
				if _, err := w.request("k", "Go").settled(t); err != nil {
					t.Fatal(err)
				}
				for w.Active() > 0 {
					pass(time.Second)
					synctest.Wait()
				}
				if idle := time.Since(began); idle < c.want || idle > c.want+c.want/8+time.Second {
					t.Errorf("passivated after %v, not between %v and an eighth more", idle, c.want)
				}
			}
		})
	}
}

// TestWithoutIdleTime: a host without one keeps its keys, and sets no timer: the
// bubble's time could not end otherwise.
func TestWithoutIdleTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := make(chan time.Time, 10)
		w := newWorld(t, host.Options{Factory: idleEntity(ended, nil)})
		w.want("k", "go", "")
		pass(1000 * time.Hour)
		if w.Active() != 1 {
			t.Error("a key was passivated")
		}
	})
}

// TestMailByProcessIDKeepsAKey, as any message does; what a key sends to itself
// in its own time does not.
func TestMailByProcessIDKeepsAKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const d = 8 * time.Minute
		var timeouts, mail int // on one key's turns each
		ended := make(chan string, 2)
		w := newWorld(t, host.Options{IdleAfter: d, Factory: func(key string) (host.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				switch ctx.Message().(type) {
				case *host.Message:
					if key == "alarm" {
						ctx.SetReceiveTimeout(time.Minute)
					}
					ctx.Respond(nil)
				case *pactor.ReceiveTimeout:
					timeouts++
				case string:
					mail++
				case *pactor.Stopped:
					ended <- key
				}
			}), nil
		}})
		w.want("alarm", "go", "")
		w.want("mail", "go", "")
		proto := w.system.Proto()
		for range 20 {
			pass(d - time.Second)
			proto.Root.Send(proto.NewLocalPID("clstr-1/0/mail"), "mail")
		}
		synctest.Wait()
		if len(ended) != 1 || <-ended != "alarm" || timeouts == 0 || mail != 20 {
			t.Errorf("%d mails to the key that should stay, %d timeouts of the one that should not", mail, timeouts)
		}
		pass(d + d/8)
		synctest.Wait()
		if len(ended) != 1 {
			t.Error("a key stays without mail")
		}
	})
}
