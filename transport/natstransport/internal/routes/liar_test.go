package routes

import (
	"errors"
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

// TestFixedListsAreBounded: a node whose every answer names another node, or all shards, does not fill the memory. The lists that are
// known stay, and may change.
func TestFixedListsAreBounded(t *testing.T) {
	rs, _ := routes(t)
	list := func(node string, runs ...uint32) error {
		return rs.Answer(wire.AppendOwners(nil, &wire.Owners{Node: node, Runs: runs}))
	}
	rs.listed = mostListed - 100 // of nodes that are known
	for _, step := range []struct {
		node string
		runs []uint32
		full bool
	}{
		{"a", []uint32{0, 60}, false},
		{"b", []uint32{60, 30, 10, 30}, true},
		{"a", []uint32{7, 10}, false}, // 50 fewer
		{"b", []uint32{60, 30, 10, 30}, false},
		{"b", []uint32{0, 1 << 20}, true},
		{"b", []uint32{200, 90}, false},
		{"b", nil, false},
		{"a", []uint32{400, 10}, false}, // no shard of before
	} {
		if err := list(step.node, step.runs...); errors.Is(err, outcome.ErrBadEnvelope) != step.full {
			t.Errorf("%s with %d: %v", step.node, step.runs, err)
		}
	}
	if _, shards := rs.Size(); rs.listed != mostListed-90 || shards != 10 {
		t.Errorf("%d shards are listed, and %d have a route", rs.listed-mostListed+100, shards)
	}
	if a := rs.boxes["a"]; a == nil || !a.fixed {
		t.Error("a node whose list has changed counts as none with a fixed list")
	}
	rs.listed = 10
	refused := 0
	for i := range 2 * mostNodes {
		if list(fmt.Sprint("node-", i), uint32(i), 1) != nil {
			refused++
		}
	}
	if nodes, _ := rs.Size(); nodes != mostNodes || refused < mostNodes {
		t.Errorf("%d nodes are known, and %d lists refused", nodes, refused)
	}
	if err := list("a", 9, 2); err != nil {
		t.Error(err)
	}
}

// TestNodesThatHaveGoneMakeRoom: a node is started anew under another name for years, each time under load. So something is still on
// its way to each node when the next takes its shard.
func TestNodesThatHaveGoneMakeRoom(t *testing.T) {
	rs, _ := routes(t)
	var before *way
	for i := range mostNodes + 100 {
		node := fmt.Sprint("node-", i)
		if err := rs.Answer(wire.AppendOwners(nil, &wire.Owners{Node: node, Runs: []uint32{0, 1}})); err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
		now := rs.Get(0).To
		if now.Name != node {
			t.Fatalf("start %d: the route leads to %s", i, now.Name)
		}
		now.busy = true
		now.Gone.Store(true) // a call has found nobody there
		if before != nil {
			before.busy = false
		}
		before = now
	}
}
