package chaos

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// keys is how many counters there are at a time.
const keys = 64

// count increments a counter of TestChaos.
func count(c *callers, op string) {
	cmd := command{op: op, kind: "counter", key: c.key("counter", keys)}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd.call = time.Since(c.begun)
	v, err := cluster.NewRequest[increment, value](c.client.Kind(cmd.kind).Key(cmd.key)).Request(ctx, increment{Op: op})
	cmd.done, cmd.err = time.Since(c.begun), err
	if err == nil {
		cmd.n = v.N
	}
	c.note(cmd, !cluster.OutcomeOf(err).NeverRan())
}
