// In which epochs nodes know shards to be owned, and their layout, for nodes that start

package natstransport

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport/natstransport/internal/routes"
)

// askNodes asks for the owners of shards from first on, until a node gives a good answer. It asks
// for a second at most, because the node that a question reaches may have died.
func askNodes(ctx context.Context, t *Transport, first uint32, good func(*wire.Owners) bool) (told wire.Owners, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, routes.Timeout)
	defer cancel()
	ask := wire.AppendOwners(nil, &wire.Owners{First: first, Ask: wire.AskLiving})
	for ctx.Err() == nil && !t.link.Closed() {
		try, end := context.WithTimeout(ctx, routes.Again)
		m, err := t.link.Conn().RequestWithContext(try, t.opts.Prefix+".who", ask)
		if err == nil {
			if told, err = wire.DecodeOwners(m.Data); err == nil && good(&told) {
				end()
				return told, true
			}
		}
		select {
		case <-try.Done():
		case <-time.After(routes.Again):
		}
		end()
	}
	return wire.Owners{}, false
}
