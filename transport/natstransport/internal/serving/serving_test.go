package serving

import (
	"errors"
	"slices"
	"testing"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

// records are those of a node; all shards have one owner.
type records struct {
	owners  []dispatch.Owner
	version uint64
	asked   int
}

func (r *records) Owners(first uint32, most int) ([]dispatch.Owner, uint32) {
	r.asked++
	from := min(int(first), len(r.owners))
	return r.owners[from:min(from+most, len(r.owners))], uint32(len(r.owners))
}
func (r *records) Version() uint64 { return r.version }
func (r *records) Seed() string    { return "seed" }

func open(t *testing.T) (*Table, *Directory, *bool) {
	closed := new(bool)
	tb := NewTable(func() bool { return *closed }, func() {})
	return tb, NewDirectory("me", tb), closed
}

func enter(t *testing.T, tb *Table, shard uint32, epoch uint64) *Subscription {
	t.Helper()
	s := tb.New(shard, epoch, nil)
	if err := tb.Enter(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTable: the epoch of an envelope finds its subscription, the newest is that of the highest epoch, and of two by a fixed list
// the first serves.
func TestTable(t *testing.T) {
	tb, _, closed := open(t)
	listed, second := enter(t, tb, 1, 0), enter(t, tb, 1, 0)
	later, former := enter(t, tb, 1, 7), enter(t, tb, 1, 5)
	for epoch, want := range map[uint64]*Subscription{0: listed, 5: former, 6: nil, 7: later} {
		if got := tb.Serving(1, epoch); got != want {
			t.Errorf("epoch %d: %v", epoch, got)
		}
	}
	if tb.Newest(1) != later || tb.Newest(2) != nil || !second.Shared() || later.Shared() {
		t.Errorf("newest %v and %v, shared %v and %v", tb.Newest(1), tb.Newest(2), second.Shared(), later.Shared())
	}
	if err := listed.Leave(); err != nil {
		t.Fatal(err)
	}
	tb.Remove(later, later)
	if tb.Serving(1, 0) != second || tb.Newest(1) != former || second.Shared() || len(tb.All()) != 2 {
		t.Errorf("%d are left, the newest is %v", len(tb.All()), tb.Newest(1))
	}
	*closed = true
	if err := tb.Enter(tb.New(2, 0, nil)); !errors.Is(err, outcome.ErrTransportClosed) {
		t.Errorf("a closed end takes a subscription: %v", err)
	}
}

// TestListed: what an end tells of its fixed list follows the list, and shards in an epoch are not on it.
func TestListed(t *testing.T) {
	tb, d, _ := open(t)
	runs := func() []uint32 {
		told, err := wire.DecodeOwners(d.Listed(&wire.Owners{}))
		if err != nil || told.Node != "me" {
			t.Fatalf("%+v, %v", told, err)
		}
		return told.Runs
	}
	if got := runs(); len(got) != 0 {
		t.Errorf("an empty list is told as %v", got)
	}
	for _, shard := range []uint32{3, 9, 4, 3} {
		enter(t, tb, shard, 0)
	}
	last := enter(t, tb, 11, 0)
	enter(t, tb, 5, 8)
	if got := runs(); !slices.Equal(got, []uint32{3, 2, 4, 1, 1, 1}) {
		t.Errorf("3, 4, 9 and 11 are told as %v", got)
	}
	if err := last.Leave(); err != nil {
		t.Fatal(err)
	}
	if got := runs(); !slices.Equal(got, []uint32{3, 2, 4, 1}) {
		t.Errorf("3, 4 and 9 are told as %v", got)
	}
	for shard, want := range map[uint32]bool{9: true, 5: false, 11: false} {
		if got := d.Listed(&wire.Owners{First: shard, Ask: wire.AskOne}) != nil; got != want {
			t.Errorf("asked for shard %d alone, it answers: %v", shard, got)
		}
	}
	if d.Listed(&wire.Owners{Ask: wire.AskLiving}) != nil {
		t.Error("a fixed list answers a question for nodes that come and go")
	}
}

// TestRecorded: an answer about all shards is made once for each change of the records or the list, and fits into a message.
func TestRecorded(t *testing.T) {
	tb, d, _ := open(t)
	const limit = 1 << 20
	if d.Recorded(&wire.Owners{}, limit) != nil {
		t.Error("an end without records answers from them")
	}
	r := &records{owners: []dispatch.Owner{{Epoch: 4, Address: "a"}, {Epoch: 6, Address: "b"}, {Epoch: 2, Address: "a"}}}
	rec := &Records{Owners: r}
	d.Use(rec, true)
	if !d.Alone(rec) || d.Alone(&Records{}) {
		t.Error("the records are not alone")
	}
	for range 3 {
		d.Recorded(&wire.Owners{}, limit)
	}
	if r.asked != 1 {
		t.Errorf("the answer was made %d times", r.asked)
	}
	enter(t, tb, 2, 0)
	told, err := wire.DecodeOwners(d.Recorded(&wire.Owners{}, limit))
	if err != nil || r.asked != 2 || told.NumShards != 3 || len(told.Owners) != 3 || told.Node != "me" || told.Seed != "seed" {
		t.Errorf("%+v, %v, made %d times", told, err, r.asked)
	}
	if told, err = wire.DecodeOwners(d.Recorded(&wire.Owners{First: 1, Ask: wire.AskOne}, limit)); err != nil || len(told.Owners) != 1 || told.Owners[0].Node != "b" {
		t.Errorf("%+v, %v", told, err)
	}
	r.version++
	small := d.Recorded(&wire.Owners{}, wire.MaxSeed+5*2+2*wire.MaxOwner)
	if told, err = wire.DecodeOwners(small); err != nil || len(told.Owners) != 2 || told.NumShards != 3 {
		t.Errorf("where two have room: %+v, %v", told, err)
	}
	for known, want := range map[wire.Owner]string{{}: "b", {Epoch: 6, Node: "x"}: "b", {Epoch: 7, Node: "x"}: "x"} {
		if got := d.Owner(1, known); got.Node != want {
			t.Errorf("beside %v the owner is %v", known, got)
		}
	}
	if err := d.NotServed(1, 0); !errors.Is(err, outcome.ErrNotOwner) {
		t.Errorf("with records: %v", err)
	}
	d.Use(rec, false)
	if err := d.NotServed(1, 0); !errors.Is(err, outcome.ErrTransportNoShardSubscriber) {
		t.Errorf("without records: %v", err)
	}
}
