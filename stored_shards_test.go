package clstr_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/testkit"
)

// TestOtherShardsUnderStoredState: keys lie under their shards, so another number of shards is refused while
// there is state: by the records of the members while they are there, by the store of state when they have
// gone, and also where a new cluster adopts the state. What is stored stays.
func TestOtherShardsUnderStoredState(t *testing.T) {
	testkit.CheckLeaks(t)
	url := startNATS(t).URL()
	opts := func(shards uint32, adopt bool) clstr.Options {
		on := clstr.NATS(url)
		on.State.Adopt = adopt
		return clstr.Options{Name: "bank", On: on, Entities: clstr.Host(ledgers), Shards: shards, Log: quiet}
	}
	first := open(t, opts(16, false))
	for i := range 20 {
		put(t, first, fmt.Sprint("l", i), 3)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused := func(when string, o clstr.Options, want error, names ...string) {
		t.Helper()
		svc, err := clstr.Open(t.Context(), o)
		if err == nil {
			_ = svc.Close(t.Context())
		}
		for _, name := range names {
			if !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v, want %v that names %s", when, err, want, name)
			}
		}
	}
	refused("while the members' records are there", opts(32, false), cluster.ErrLayoutMismatch, "16", "32")
	refused("and with Adopt", opts(32, true), cluster.ErrLayoutMismatch, "16", "32")
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	forget := func() {
		if err := js.DeleteKeyValue(t.Context(), "bank_members"); err != nil {
			t.Fatal(err)
		}
	}
	forget()
	refused("without the members' records", opts(32, false), state.ErrOtherLayout, "16 shards", "32 shards")
	refused("and with Adopt", opts(32, true), state.ErrOtherLayout, "16 shards", "32 shards")
	forget() // those that were refused have founded a cluster of 32 shards, which nobody is in
	again := open(t, opts(16, true))
	for i := range 20 {
		if got := put(t, again, fmt.Sprint("l", i), 3); got != 6 {
			t.Errorf("l%d has %d in the end, want 6", i, got)
		}
	}
}
