package chaos

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// durableKeys is how many keys each kind has at a time.
const durableKeys = 24

// countReadWrite increments a tally, writes a register or reads one. Each increment and each write has
// its name as its ID.
func countReadWrite(c *callers, op string) {
	cmd := command{op: op, kind: "register"}
	what := rand.N(3)
	if what == 0 {
		cmd.kind = "tally"
	}
	cmd.key = c.key(cmd.kind, durableKeys)
	to := c.client.Kind(cmd.kind).Key(cmd.key)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd.call = time.Since(c.begun)
	switch what {
	case 0:
		v, err := cluster.NewRequest[increment, value](to).Request(ctx, increment{op}, cluster.WithID(op))
		if cmd.err = err; err == nil {
			cmd.n = v.N
		}
	case 1:
		_, cmd.err = cluster.NewRequest[set, held](to).Request(ctx, set{op}, cluster.WithID(op))
	default:
		v, err := cluster.NewRequest[get, held](to).Request(ctx, get{})
		if cmd.op, cmd.err = "", err; err == nil {
			cmd.read = v.Op
		}
	}
	cmd.done = time.Since(c.begun)
	c.note(cmd, cmd.op != "" && cluster.OutcomeOf(cmd.err) == cluster.MaybeRan)
}
