package host_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
)

// The messages of these tests; handlers find them by their names.
type (
	Go    struct{}
	Block struct{}
	Leave struct{}
)

// beat is an entity whose periodic work the test watches.
type beat struct {
	ticks            atomic.Int32
	ticked           chan struct{}
	entered, gate    chan struct{}
	activated, ended *atomic.Int32
}

func (b *beat) start(*actor.Context) error { b.activated.Add(1); return nil }
func (b *beat) end(*actor.Context) error   { b.ended.Add(1); return nil }

func (b *beat) tick(c *actor.Context) error {
	b.ticks.Add(1)
	select {
	case b.ticked <- struct{}{}:
	default:
	}
	return nil
}

func (b *beat) Go(c *actor.Context, _ Go) (int32, error) { return b.ticks.Load(), nil }

func (b *beat) Block(c *actor.Context, _ Block) (bool, error) {
	b.entered <- struct{}{}
	<-b.gate
	return true, nil
}

func (b *beat) Leave(c *actor.Context, _ Leave) (bool, error) {
	c.Passivate()
	return b.Block(c, Block{})
}

// newBeat returns a function that makes the entities, which share the channels.
func newBeat() *beat {
	return &beat{
		ticked: make(chan struct{}, 1), entered: make(chan struct{}), gate: make(chan struct{}),
		activated: new(atomic.Int32), ended: new(atomic.Int32),
	}
}

func (b *beat) define(options ...actor.Option) *actor.Definition[beat] {
	return actor.Define("beat", func(string) *beat {
		return &beat{ticked: b.ticked, entered: b.entered, gate: b.gate, activated: b.activated, ended: b.ended}
	}, append(options,
		actor.OnRequest((*beat).Go), actor.OnRequest((*beat).Block), actor.OnRequest((*beat).Leave),
		actor.OnActivate((*beat).start), actor.OnPassivate((*beat).end))...)
}

func (w *world) request(key, typ string) *call { return w.sendData(key, typ, []byte("{}")) }

func TestEveryRunsOnTheTurnAndEndsWithTheIncarnation(t *testing.T) {
	b := newBeat()
	w := newWorld(t, host.Options{Factory: b.define(actor.Every(time.Millisecond, (*beat).tick)).New})
	if _, err := w.request("k", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	await(t, b.ticked, "a tick")
	block := w.request("k", "Block")
	await(t, b.entered, "the turn")
	for len(b.ticked) > 0 {
		<-b.ticked
	}
	select {
	case <-b.ticked:
		t.Error("a tick ran beside a message")
	case <-time.After(20 * time.Millisecond):
	}
	b.gate <- struct{}{}
	if _, err := block.settled(t); err != nil {
		t.Fatal(err)
	}
	await(t, b.ticked, "a tick after the message")
	w.stop()
	for len(b.ticked) > 0 {
		<-b.ticked
	}
	select {
	case <-b.ticked:
		t.Error("a tick ran after the end")
	case <-time.After(20 * time.Millisecond):
	}
}

// TestATickDoesNotBringAnEntityBack: a tick that was due when its incarnation
// ended is nobody's message.
func TestATickDoesNotBringAnEntityBack(t *testing.T) {
	b := newBeat()
	w := newWorld(t, host.Options{Factory: b.define(actor.Every(time.Millisecond, (*beat).tick)).New})
	for range 20 {
		leave := w.request("k", "Leave")
		await(t, b.entered, "the turn")
		late := time.NewTimer(3 * time.Millisecond) // the tick waits behind the turn by now
		<-late.C
		b.gate <- struct{}{}
		if _, err := leave.settled(t); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the key has gone", func() bool { return w.Active() == 0 && b.ended.Load() == b.activated.Load() })
	}
	w.stop()
	if n := b.activated.Load(); n != 20 {
		t.Errorf("%d activations for 20 messages", n)
	}
}

func TestPassivateFromPeriodicWork(t *testing.T) {
	b := newBeat()
	leave := func(b *beat, c *actor.Context) error { c.Passivate(); return nil }
	w := newWorld(t, host.Options{Factory: b.define(actor.Every(time.Millisecond, leave)).New})
	if _, err := w.request("k", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key has gone", func() bool { return w.Active() == 0 && b.ended.Load() == 1 })
}

// TestPeriodicWorkDoesNotKeepAnEntity: what is on its periodic turn when room is
// needed stops after it, and before what was used later.
func TestPeriodicWorkDoesNotKeepAnEntity(t *testing.T) {
	b := newBeat()
	var first atomic.Bool
	work := func(b *beat, c *actor.Context) error {
		if first.CompareAndSwap(false, true) {
			b.entered <- struct{}{}
			<-b.gate
		}
		return nil
	}
	w := newWorld(t, host.Options{CacheSize: 1, Factory: b.define(actor.Every(time.Millisecond, work)).New})
	if _, err := w.request("k", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	await(t, b.entered, "the periodic turn")
	if _, err := w.request("other", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	later := w.request("k", "Go") // waits for the next incarnation
	b.gate <- struct{}{}
	if _, err := later.settled(t); err != nil {
		t.Fatal(err)
	}
	if n := b.activated.Load(); n != 3 {
		t.Errorf("%d activations, want 3: k, other, k again", n)
	}
}

// TestPanicInPeriodicWorkOfAnEntityThatStops: its state is as unknown as that of
// any other that has panicked.
func TestPanicInPeriodicWorkOfAnEntityThatStops(t *testing.T) {
	b := newBeat()
	work := func(b *beat, c *actor.Context) error {
		if c.Key() == "k" {
			b.entered <- struct{}{}
			<-b.gate
			panic("tick")
		}
		return nil
	}
	w := newWorld(t, host.Options{CacheSize: 1, Factory: b.define(actor.Every(time.Millisecond, work)).New})
	if _, err := w.request("k", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	await(t, b.entered, "the periodic turn")
	if _, err := w.request("other", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	b.gate <- struct{}{}
	w.stop()
	if n := b.ended.Load(); n != 1 {
		t.Errorf("%d stop hooks, want only the other's", n)
	}
}

func TestPanicInPeriodicWork(t *testing.T) {
	b := newBeat()
	bang := func(b *beat, c *actor.Context) error {
		if b.activated.Load() == 1 {
			panic("tick")
		}
		return errors.New("only logged")
	}
	w := newWorld(t, host.Options{Factory: b.define(actor.Every(time.Millisecond, bang)).New})
	if _, err := w.request("k", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a fresh entity", func() bool { return b.activated.Load() == 2 })
	if _, err := w.request("k", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	w.stop()
	if n := b.ended.Load(); n != 1 {
		t.Errorf("%d stop hooks, want one: the first entity has panicked", n)
	}
}
