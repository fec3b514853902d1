package testkit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// TestPausedNodeStoresNothing: what a node that stood still sends to the store when it goes on comes too
// late: the shard has another owner. What that owner has stored stays.
func TestPausedNodeStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, goOn := make(chan struct{}), make(chan struct{})
		slow := actor.Define("purse", func(string) *purse { return &purse{ended: func() {}} },
			actor.OnRequest((*purse).putIn), actor.Durable(actor.Persistence{}),
			actor.OnRequest(func(p *purse, _ *actor.Context, _ coins) (inside, error) {
				close(held)
				<-goOn // whatever the context says
				p.Coins += 100
				return inside{p.Coins, 0}, nil
			}))
		c := testkit.NewCluster(t, testkit.ClusterOptions{Live: true, NumShards: 8,
			Kinds: map[string]cluster.ServerHandlerFunc{"purse": cluster.NewActorHandler(slow.New)}})
		c.Settle()
		key := c.KeyOf("node-1")
		purse := c.Client().Kind("purse").Key(key)
		ask := cluster.NewRequest[putIn, inside](purse)
		if got, err := ask.Request(t.Context(), putIn{1}); err != nil || got.Coins != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		late := make(chan error, 1)
		go func() { // ends with the answer of the paused node
			_, err := cluster.NewRequest[coins, inside](purse).Request(t.Context(), coins{})
			late <- err
		}()
		<-held
		c.PauseNode("node-1")
		close(goOn)
		time.Sleep(10 * time.Second) // longer than others take to serve its shards
		if got, err := ask.Request(t.Context(), putIn{1}); err != nil || got.Coins != 2 {
			t.Fatalf("the next owner: %+v, %v", got, err)
		}
		c.ResumeNode("node-1")
		if err := <-late; err == nil {
			t.Error("the paused node's turn is acknowledged")
		}
		if got, err := ask.Request(t.Context(), putIn{1}); err != nil || got.Coins != 3 {
			t.Errorf("%+v, %v; want 3 coins", got, err)
		}
		if r := c.Stored("purse", key); r == nil || string(r.State) != `{"Coins":3}` {
			t.Errorf("stored %+v", r)
		}
	})
}
