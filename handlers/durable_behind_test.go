package handlers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
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
