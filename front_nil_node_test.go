package clstr_test

import (
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/testkit"
)

type nodeAsked struct{}
type nodeSaid struct{ ID string }

// TestNoNode: code that asks for its node's ID, or waits for its end, runs at a client and in a test of one entity too.
func TestNoNode(t *testing.T) {
	tell := func(_ *struct{}, c *actor.Context, _ nodeAsked) (nodeSaid, error) {
		return nodeSaid{clstr.From(c).Node().ID()}, nil
	}
	def := actor.Define("teller", func(string) *struct{} { return new(struct{}) }, actor.OnRequest(tell))
	testkit.Alone(t, def.New, "k", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if got, err := testkit.Ask[nodeSaid](e, nodeAsked{}); err != nil || got.ID != "" {
			t.Errorf("%v, %v", got, err)
		}
	})
	svc := testkit.Open(t, def)
	if got, err := clstr.Ask[nodeSaid](t.Context(), svc.Key(def, "k"), nodeAsked{}); err != nil || got.ID != svc.Node().ID() || got.ID == "" {
		t.Errorf("%v, %v", got, err)
	}
	client := testkit.Open(t)
	select {
	case <-client.Node().Ended():
		t.Error("a node that is not there has ended")
	default:
	}
}
