package natstransport

import (
	"context"
	"slices"
	"time"

	"github.com/clstr-go/clstr/transport/wire"
)

// Served asks for a second whether any node owns a shard, and returns true as soon
// as one says so. It is for nodes that find no records of a cluster: they may be
// new, and the records may have been lost.
func (t *Transport) Served(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ask := wire.AppendOwners(nil, &wire.Owners{})
	for ctx.Err() == nil {
		try, end := context.WithTimeout(ctx, askAgain)
		m, err := t.nc.RequestWithContext(try, t.opts.SubjectPrefix+".who", ask)
		if err == nil {
			if told, err := wire.DecodeOwners(m.Data); err == nil && slices.Max(append(told.Epochs, 0)) > 0 {
				end()
				return true
			}
		}
		select {
		case <-try.Done():
		case <-time.After(askAgain):
		}
		end()
	}
	return false
}
