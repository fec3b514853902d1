package handlers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestBehind: replies leave at once, and the state is stored once in a while, when the key is
// passivated and when its shard moves.
func TestBehind(t *testing.T) {
	for _, behind := range []time.Duration{time.Minute, -1} {
		inEachBank(t, actor.Persistence{Behind: behind}, handlers.Options{IdleAfter: time.Hour}, func(b *bank) {
			for i := range 3 {
				b.want("a change", b.send("k", deposit{1}), fmt.Sprint(i+1))
				b.balance("k", i+1)
			}
			spoilt := b.send("k", spoil{100})
			<-spoilt.over
			if outcome.Of(spoilt.err) != outcome.RanAndFailed || b.commits != 0 {
				b.Errorf("%v, %d commits", spoilt.err, b.commits)
			}
			b.balance("k", 3) // undone, though nothing is stored
			<-b.send("k", burst{100}).over
			b.balance("k", 3)
			b.pass(2 * time.Minute)
			if want := map[time.Duration]int{time.Minute: 3, -1: -1}[behind]; b.stored("k") != want {
				b.Errorf("Behind %v: %d is stored after a while, want %d", behind, b.stored("k"), want)
			}
			saved := b.send("k", save{1})
			<-saved.over
			if b.stored("k") != 4 {
				b.Errorf("%d is stored by Save", b.stored("k"))
			}
			b.balance("k", 4)
			b.send("k", deposit{1})
			b.pass(3 * time.Hour)
			if b.stored("k") != 5 {
				b.Errorf("%d is stored after passivation", b.stored("k"))
			}
			b.want("the next incarnation", b.send("k", deposit{1}), "6")
			b.drain()
			<-b.drained
			if b.stored("k") != 6 {
				b.Errorf("%d is stored after the move", b.stored("k"))
			}
		})
	}
}

// TestBehindAndAStoreThatRefuses: what was acknowledged stays in memory, and is tried again, unless
// the shard has another owner.
func TestBehindAndAStoreThatRefuses(t *testing.T) {
	inEachBank(t, actor.Persistence{Behind: time.Minute}, handlers.Options{}, func(b *bank) {
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		b.send("k", deposit{1})
		b.pass(90 * time.Second)
		saved := b.send("k", save{1})
		<-saved.over
		if outcome.Of(saved.err) != outcome.RanAndFailed {
			b.Errorf("Save: %v", saved.err)
		}
		n := b.send("k", look{})
		b.pass(90 * time.Second)
		b.set(func(s *shelf) { s.refuse = nil })
		b.pass(90 * time.Second)
		b.want("in memory", n, "2")
		if b.stored("k") != 2 {
			b.Errorf("%d is stored", b.stored("k"))
		}
		b.send("k", deposit{10})
		b.set(func(s *shelf) { s.refuse = state.ErrDeposed })
		b.pass(90 * time.Second)
		b.set(func(s *shelf) { s.refuse = nil })
		b.balance("k", 2)
	})
}

// TestBehindAndCommandsThatAStoreRefuses: a full store makes a write-behind key forget nothing. The
// caller of a command learns that it may have run, and its next try finds it, in memory.
func TestBehindAndCommandsThatAStoreRefuses(t *testing.T) {
	for _, behind := range []time.Duration{time.Minute, -1} {
		inEachBank(t, actor.Persistence{Behind: behind}, handlers.Options{}, func(b *bank) {
			b.set(func(s *shelf) { s.refuse = state.ErrFull })
			b.want("in memory", b.send("k", deposit{1}), "1")
			for range 2 {
				b.fails("a command", b.sendID("order-1", "k", deposit{5}), outcome.ErrNotStored, outcome.MaybeRan)
				b.balance("k", 6)
			}
			refused := 0
			for i := range 300 {
				w := b.sendID(fmt.Sprint("more-", i), "k", deposit{1})
				if outcome.Of(w.err) == outcome.NotStarted {
					refused++
					failed(b, "one of many", w.err, outcome.ErrOverloaded, outcome.NotStarted)
				} else {
					b.fails("one of many", w, outcome.ErrNotStored, outcome.MaybeRan)
				}
			}
			if refused < 100 || refused > 250 {
				b.Errorf("%d of 300 were refused", refused)
			}
			b.balance("k", 306-refused)
			b.set(func(s *shelf) { s.refuse = nil })
			b.want("once the store takes it", b.sendID("order-1", "k", deposit{5}), "6")
			b.want("the first of many", b.sendID("more-0", "k", deposit{1}), "7")
			if n := b.stored("k"); n != 306-refused || b.commits != 1 {
				b.Errorf("%d is stored, by %d commits", n, b.commits)
			}
			b.want("another", b.sendID("order-2", "k", deposit{1}), fmt.Sprint(307-refused))
			b.set(func(s *shelf) { s.refuse = state.ErrTooLarge })
			b.fails("what will never be stored", b.sendID("order-3", "k", deposit{1}), outcome.ErrNotStored, outcome.RanAndFailed)
			b.balance("k", 307-refused)
		})
	}
}

// TestBehindStaysWhileTheStoreIsFull: a key is not passivated while the store refuses its state, whether it is
// idle, has to make room or asks for it. It is when the state is stored.
func TestBehindStaysWhileTheStoreIsFull(t *testing.T) {
	for _, behind := range []time.Duration{3 * time.Hour, -1} {
		for way, c := range map[string]struct {
			handlers.Options
			goes func(b *bank)
		}{
			"idle":    {handlers.Options{IdleAfter: time.Minute}, func(b *bank) { b.pass(2 * time.Minute) }},
			"evicted": {handlers.Options{CacheSize: 2}, func(b *bank) { b.send("l", look{}); b.send("m", look{}); b.send("n", look{}); b.pass(time.Second) }},
			"leaves":  {handlers.Options{}, func(b *bank) { b.want("its turn", b.send("k", leave{0}), "5"); b.pass(time.Second) }},
		} {
			inEachBank(t, actor.Persistence{Behind: behind}, c.Options, func(b *bank) {
				b.want("in memory", b.send("k", deposit{5}), "5")
				b.set(func(s *shelf) { s.refuse = state.ErrFull })
				for range 3 {
					reads := b.loads("k")
					c.goes(b)
					if b.balance("k", 5); b.loads("k") != reads || b.stored("k") != -1 {
						b.Fatalf("%s, behind %v: the key was loaded anew, or %d is stored", way, behind, b.stored("k"))
					}
				}
				b.want("another change", b.send("k", deposit{1}), "6")
				b.set(func(s *shelf) { s.refuse = nil })
				if way == "leaves" {
					b.want("its turn", b.send("k", leave{0}), "6")
				} else {
					c.goes(b)
				}
				reads := b.loads("k")
				if b.stored("k") != 6 {
					b.Errorf("%s, behind %v: %d is stored", way, behind, b.stored("k"))
				}
				if b.balance("k", 6); b.loads("k") == reads {
					b.Errorf("%s, behind %v: the key was not passivated", way, behind)
				}
			})
		}
	}
}

// TestBehindIsBounded: while the store is full, no more write-behind keys gather in memory than may be
// active. Others are refused, until there is room.
func TestBehindIsBounded(t *testing.T) {
	inEachBank(t, actor.Persistence{Behind: -1}, handlers.Options{CacheSize: 3}, func(b *bank) {
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		served := 0
		for i := range 20 {
			w := b.send(fmt.Sprint(i), deposit{1})
			if b.pass(time.Second); w.err == nil {
				served++
				continue
			}
			failed(b, "one too many", w.err, outcome.ErrActivationFailed, outcome.NotStarted)
			failed(b, "its cause", w.err, outcome.ErrNotStored, outcome.NotStarted)
		}
		if served < 3 || served > 5 {
			b.Errorf("%d keys were served", served)
		}
		for i := range served {
			b.balance(fmt.Sprint(i), 1)
		}
		b.set(func(s *shelf) { s.refuse = nil })
		b.pass(10 * time.Second)
		for i := range 20 {
			b.send(fmt.Sprint(100+i), deposit{1})
			b.pass(time.Second)
		}
		b.pass(time.Minute)
		for i := range 20 {
			b.balance(fmt.Sprint(100+i), 1)
		}
		b.balance("0", 1)
	})
}

// TestBehindAtTheEnd: a shard that moves while the store is full waits for room, as long as a stop hook may
// take. Then the newest state is lost, and the log counts it.
func TestBehindAtTheEnd(t *testing.T) {
	for _, room := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			n := newNodeTo(t, memtransport.Options{}, slog.New(slog.NewTextHandler(&log, nil)))
			b := newBankOn(t, n, durableForms["typed"](actor.Persistence{Behind: -1}, handlers.Options{HookTimeout: 10 * time.Second}), hosting.Setup{})
			for _, key := range []string{"k", "l"} {
				b.want("in memory", b.send(key, deposit{5}), "5")
			}
			b.set(func(s *shelf) { s.refuse = state.ErrFull })
			b.drain()
			b.pass(5 * time.Second)
			if isClosed(b.drained) {
				t.Error("the shard has moved without the state")
			}
			want := -1
			if room {
				b.set(func(s *shelf) { s.refuse = nil })
				want = 5
			}
			b.pass(20 * time.Second)
			if <-b.drained; b.stored("k") != want || b.stored("l") != want {
				t.Errorf("%d and %d are stored", b.stored("k"), b.stored("l"))
			}
			if n := strings.Count(log.String(), "states of write-behind keys were lost"); room != (n == 0) || !room && !strings.Contains(log.String(), "keys=2") {
				t.Errorf("room %v: %s", room, log.String())
			}
		})
	}
}
