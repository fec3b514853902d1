// Owners in epochs: which one is asked, and what is said where there is none

package transporttest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var epochTests = []test{
	{"the highest epoch", testHighestEpoch},
	{"the highest leaves", testHighestLeaves},
	{"an owner that refuses", testRefusingOwner},
	{"a shard without an owner", testNoOwnerNow},
	{"what is left of a time to live", testTTLElsewhere},
	{"drain", testDrain},
	{"a drain serves what it needs", testDrainServesWhatItNeeds},
	{"drains that wait for each other", testDrainsThatWaitForEachOther},
	{"drop", testDrop},
	{"the gate on arrival", testGateOnArrival},
	{"the gate at the start", testGateAtStart},
	{"order over moves", testOrderOverMoves},
	{"how keys map", testLayout},
}

// realm is a pair whose shards have owners in epochs, and what its nodes tell clients
// about them.
type realm struct {
	pair
	server dispatch.Backend

	mu      sync.Mutex
	owners  [8]dispatch.Owner
	version atomic.Uint64
}

func (r *realm) Seed() string { return "seed" }

func (r *realm) Version() uint64 { return r.version.Load() }

// Owners implements dispatch.Owners.
func (r *realm) Owners(first uint32, most int) ([]dispatch.Owner, uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.owners[min(int(first), len(r.owners)):]
	return append([]dispatch.Owner(nil), rest[:min(most, len(rest))]...), uint32(len(r.owners))
}

func (r *realm) say(shard uint32, epoch uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owners[shard] = dispatch.Owner{Epoch: epoch, Address: r.server.Address()}
	r.version.Add(1)
}

func (s *suite) realm(limits transport.Limits) *realm {
	s.Helper()
	r := &realm{pair: s.pair(limits)}
	if r.server = dispatch.BackendOf(r.Server); r.server == nil {
		s.Fatalf("%T has no dispatch.Backend", r.Server)
	}
	sub, err := r.server.ServeOwners(s.patient(), r)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = sub.Unsubscribe() })
	return r
}

// testLayout: nodes tell their clients how keys map to shards.
func testLayout(s *suite) {
	p := s.pair(transport.Limits{})
	asks, ok := p.Client.(transport.LayoutTransport)
	if !ok {
		return // it is optional
	}
	if n, seed, err := asks.Layout(s.patient()); !errors.Is(err, outcome.ErrTransportNoShardSubscriber) || outcome.Of(err) != outcome.NotSent {
		s.Errorf("without a node: %d, %q, %v", n, seed, err)
	}
	sub, err := dispatch.BackendOf(p.Server).ServeOwners(s.patient(), &realm{})
	if err != nil {
		s.Fatal(err)
	}
	if n, seed, err := asks.Layout(s.patient()); n != 8 || seed != "seed" || err != nil {
		s.Errorf("with a node: %d, %q, %v", n, seed, err)
	}
	if err := sub.Unsubscribe(); err != nil {
		s.Error(err)
	}
	over, cancel := context.WithCancel(s.patient())
	cancel()
	if n, _, err := asks.Layout(over); !errors.Is(err, context.Canceled) {
		s.Errorf("when its time is over: %d, %v", n, err)
	}
	if err := p.Client.Close(); err != nil {
		s.Error(err)
	}
	if n, _, err := asks.Layout(s.patient()); !errors.Is(err, outcome.ErrTransportClosed) {
		s.Errorf("closed: %d, %v", n, err)
	}
}

// own makes o the owner of a shard in an epoch, and tells clients.
func (r *realm) own(shard uint32, epoch uint64, o *owner) *dispatch.Sub {
	r.s.Helper()
	return r.ownAs(shard, epoch, o, o)
}

// ownAs is own with another receiver in front of o.
func (r *realm) ownAs(shard uint32, epoch uint64, o *owner, front dispatch.Receiver) *dispatch.Sub {
	r.s.Helper()
	ctx := r.s.patient()
	if o.life != nil {
		ctx = o.life.Context()
	}
	o.at = standing.New(o.name, shard, epoch, o.lease)
	sub, err := r.server.Subscribe(ctx, shard, dispatch.Subscriber{Receiver: front, Standing: o.at})
	if err != nil {
		r.s.Fatalf("shard %d in epoch %d: %v", shard, epoch, err)
	}
	r.say(shard, epoch)
	return sub
}

// owner is a receiver under a lease. It answers with its name at once, except messages of
// the type "Held".
type owner struct {
	name  string
	life  *dispatch.Lifetime
	lease *standing.Lease
	at    *standing.Standing // since it owns a shard
	held  chan *dispatch.Call
	ran   atomic.Int32
}

func newOwner(name string) *owner {
	o := &owner{name: name, lease: standing.NewLease(), held: make(chan *dispatch.Call, 16)}
	o.renews()
	return o
}

// renews gives the owner its lease. Without it, the owner refuses calls that arrive (lapses), and
// earlier calls when they start (loses).
func (o *owner) renews() { end := time.Now().Add(time.Hour); o.lease.Extend(end, end) }
func (o *owner) lapses() { o.loses(); o.lease.Lapse() }
func (o *owner) loses()  { o.lease.End() }

// Accept implements dispatch.Receiver.
func (o *owner) Accept(c *dispatch.Call) {
	if c.Envelope().Type == "Held" {
		o.held <- c
		return
	}
	o.answer(c)
}

func (o *owner) answer(c *dispatch.Call) {
	if c.Start(nil) {
		o.ran.Add(1)
		c.Reply([]byte(o.name), nil)
		c.End()
	}
}

// served returns the owner that serves a shard. It is empty if none did and nothing
// ran.
func (r *realm) served(shard int) string {
	r.s.Helper()
	reply, err := r.request(transport.Envelope{Shard: shard, Type: "Who"})
	if err != nil {
		r.s.failed(err, outcome.ErrNotOwner, outcome.NotStarted)
	}
	return string(reply)
}

func testHighestEpoch(s *suite) {
	r := s.realm(transport.Limits{})
	low, high, higher, late := newOwner("low"), newOwner("high"), newOwner("higher"), newOwner("late")
	r.own(0, 1, low)
	r.own(0, 5, high)
	r.want(transport.Envelope{Type: "Who"}, "high")
	r.own(0, 9, higher)
	s.eventually("the new owner serves", func() bool { return r.served(0) == "higher" })
	r.own(0, 7, late)
	r.say(0, 9)
	for range 20 {
		r.want(transport.Envelope{Type: "Who"}, "higher")
	}
	if low.ran.Load()+late.ran.Load() > 0 {
		s.Error("an owner in a lower epoch has served")
	}
}

// If the owner of the highest epoch has left, the next lower one serves, or none. Once
// the nodes say that the lower one is the owner, because records were made anew, it
// serves.
func testHighestLeaves(s *suite) {
	r := s.realm(transport.Limits{})
	low, high := newOwner("low"), newOwner("high")
	r.own(0, 1, low)
	t := r.own(0, 5, high)
	r.want(transport.Envelope{Type: "Who"}, "high")
	if err := t.Unsubscribe(); err != nil {
		s.Fatal(err)
	}
	if by := r.served(0); by == "high" {
		s.Error("who has left serves")
	}
	r.say(0, 1)
	s.eventually("the lower serves", func() bool { return r.served(0) == "low" })
}

// A request that meets a former owner reaches the new one, or is refused at once as not
// started.
func testRefusingOwner(s *suite) {
	r := s.realm(transport.Limits{})
	old, next := newOwner("old"), newOwner("next")
	t := r.own(0, 1, old)
	r.want(transport.Envelope{Type: "Who"}, "old")
	for _, atStart := range []bool{false, true} {
		if old.renews(); atStart {
			old.loses()
		} else {
			old.lapses()
		}
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
			_, err := r.request(transport.Envelope{Type: "Who", Delivery: d})
			s.failed(err, outcome.ErrNotOwner, outcome.NotStarted)
		}
	}
	r.own(0, 2, next)
	s.eventually("the next serves", func() bool { return r.served(0) == "next" })
	if err := t.Unsubscribe(); err != nil {
		s.Fatal(err)
	}
	for range 20 {
		r.want(transport.Envelope{Type: "Who"}, "next")
	}
	if old.ran.Load() != 1 {
		s.Errorf("the old owner has run %d calls", old.ran.Load())
	}
}

// Where shards move, a shard may have no owner for a while. Callers are told so at
// once.
func testNoOwnerNow(s *suite) {
	r := s.realm(transport.Limits{})
	t := r.own(0, 1, newOwner("it"))
	r.want(transport.Envelope{Type: "Who"}, "it")
	if err := t.Unsubscribe(); err != nil {
		s.Fatal(err)
	}
	for shard := range 2 { // of the second there never was one
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
			_, err := r.request(transport.Envelope{Shard: shard, Type: "Who", Delivery: d})
			s.failed(err, outcome.ErrNotOwner, outcome.NotStarted)
		}
	}
}
