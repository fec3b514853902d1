package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// Node is one that takes part. Stop drains it: its shards move, and what it has
// accepted comes to its end. Kill cuts it off without a word, as a crash does.
type Node struct {
	Stop func() error
	Kill func()
}

// Timing has a short lease, so that a death is over soon; zero is what a service wants.
var Timing = membership.Timing{Lease: 3 * time.Second, Settle: 500 * time.Millisecond, Residency: time.Second}

const story = `
A node that joins or drains moves its shards one at a time. pause is the longest
time that one of them was not served. The shards of a dead node wait until its
lease ends, as max shows: %v here, 10 s by default. node-2 dies inside a process
that lives on: its connections are cut, so it can hand nothing over and answer
nothing. To see real processes killed: go test ./internal/chaos

`

// Play has three nodes come together; under load another joins, one drains and one
// dies. It prints what there was to see, ends all nodes, and fails where the books are
// wrong. start returns when its node serves.
func (b *Books) Play(ctx context.Context, out io.Writer, start func(ctx context.Context, id string) (*Node, error)) (err error) {
	var nodes []*Node
	join := func(id string) error {
		n, err := start(ctx, id)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		nodes = append(nodes, n)
		return nil
	}
	defer func() {
		for _, n := range nodes {
			err = errors.Join(err, n.Stop())
		}
	}()
	for _, id := range []string{"node-1", "node-2", "node-3"} {
		if err := join(id); err != nil {
			return err
		}
	}
	b.forget() // how the three have come together is not the story
	began := time.Now()
	b.burst(ctx, 10*keys)
	fmt.Fprintf(out, "%d requests to %d keys from %d callers: %.0f a second\n\n%s", 10*keys, keys, callers, 10*keys/time.Since(began).Seconds(), title)
	failed := b.stage(ctx, out, "three nodes")

	stop := b.goOn(ctx)
	defer stop()
	if err := join("node-4"); err != nil {
		return err
	}
	failed += b.stage(ctx, out, "node-4 joins")
	drained := nodes[0]
	nodes = nodes[1:]
	if err := drained.Stop(); err != nil {
		return err
	}
	failed += b.stage(ctx, out, "node-1 drains")
	killed := nodes[0]
	nodes = nodes[1:]
	killed.Kill()
	b.burst(ctx, keys) // until every key has answered
	stop()             // and a caller without an answer has given up
	b.stage(ctx, out, "node-2 dies")

	fmt.Fprintf(out, story, Timing.Lease)
	if failed > 0 {
		return fmt.Errorf("%d requests failed before a node died", failed)
	}
	return b.sums(ctx, out)
}
