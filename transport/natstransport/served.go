// In which epochs nodes know shards to be owned, and their layout, for nodes that start

package natstransport

import (
	"context"
	"math"
	"time"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

// Layout implements [transport.LayoutTransport].
func (t *Transport) Layout(ctx context.Context) (numShards uint32, seed string, err error) {
	told, ok := t.askNodes(ctx, math.MaxUint32, func(told *wire.Owners) bool { return told.NumShards > 0 && told.NumShards <= wire.MaxShards })
	switch {
	case ok:
		return told.NumShards, told.Seed, nil
	case t.closed.Load():
		return 0, "", outcome.Errorf(outcome.ErrTransportClosed, "how keys map to shards")
	case ctx.Err() != nil:
		return 0, "", outcome.ContextError(ctx.Err(), outcome.NotSent)
	}
	return 0, "", outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "no node of a live cluster answers at %s.who", t.opts.Prefix).WithOutcome(outcome.NotSent)
}

// askNodes asks for the owners of shards from first on, until a node gives a good answer. It asks
// for a second at most, because the node that a question reaches may have died.
func (t *Transport) askNodes(ctx context.Context, first uint32, good func(*wire.Owners) bool) (told wire.Owners, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ask := wire.AppendOwners(nil, &wire.Owners{First: first, Ask: wire.AskLiving})
	for ctx.Err() == nil && !t.closed.Load() {
		try, end := context.WithTimeout(ctx, askAgain)
		m, err := t.nc.Load().RequestWithContext(try, t.opts.Prefix+".who", ask)
		if err == nil {
			if told, err = wire.DecodeOwners(m.Data); err == nil && good(&told) {
				end()
				return told, true
			}
		}
		select {
		case <-try.Done():
		case <-time.After(askAgain):
		}
		end()
	}
	return wire.Owners{}, false
}
