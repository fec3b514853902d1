// Notifications that stand in line for room until their time is up, or their client ends, at real nodes

package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// TestAsyncSaysWhatHeldItAtANode: a key takes nothing. Notifications to it whose TTL ends say that it had no room. Those that are left
// say that the transport was closed, when it is.
func TestAsyncSaysWhatHeldItAtANode(t *testing.T) {
	onBoth(t, func(t *testing.T, over testkit.TransportKind) {
		end := make(chan struct{})
		def := actor.Define("narrow", func(string) *struct{} { return new(struct{}) }, actor.OnNotify(func(*struct{}, *actor.Context, put) error {
			<-end
			return nil
		}))
		open := openers(t, over)
		startNode(t, cluster.NodeOptions{NodeID: "a", Transport: open(), NumShards: 4, Shards: []uint32{0, 1, 2, 3},
			Handler: cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{MailboxSize: 2})})
		tr := open()
		key := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}).Key("k")
		patient := []*cluster.Receipt{}
		for range 10 {
			patient = append(patient, key.NotifyAsync(t.Context(), put{}))
		}
		brief := func() *cluster.Receipt {
			return key.NotifyAsync(t.Context(), put{}, cluster.WithTTL(20*time.Millisecond))
		}
		for !errors.Is(brief().Wait(t.Context()), cluster.ErrOverloaded) { // until the line waits, for those that have 30 s
			if t.Context().Err() != nil {
				t.Fatal("the key has room for all")
			}
		}
		var all []*cluster.Receipt
		for range 20 {
			all = append(all, brief())
		}
		for i, r := range all {
			if err := r.Wait(t.Context()); cluster.CodeOf(err) != "overloaded" || cluster.OutcomeOf(err) != cluster.NotSent {
				t.Errorf("%d: %v (%v)", i, err, cluster.OutcomeOf(err))
			}
		}
		ended := make(chan error)
		go func() { ended <- tr.Close() }()
		onItsWay := 0 // the one that is sent again and again
		for i, r := range patient[3:] {
			err := r.Wait(t.Context())
			if cluster.OutcomeOf(err) == cluster.MaybeRan {
				onItsWay++
			}
			if !errors.Is(err, cluster.ErrTransportClosed) || onItsWay > 1 {
				t.Errorf("%d: %v (%v)", i+3, err, cluster.OutcomeOf(err))
			}
		}
		close(end)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
