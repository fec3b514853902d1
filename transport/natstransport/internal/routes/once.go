// In which epochs nodes know shards to be owned, and their layout, for nodes that start

package routes

import (
	"context"

	"github.com/clstr-go/clstr/internal/wire"
)

// Once asks nodes that come and go for the owners of shards from first on, until one gives a good answer. It asks
// for a second at most, because the node that a question reaches may have died. request sends a question and waits for its answer.
func Once(ctx context.Context, request func(ctx context.Context, question []byte) ([]byte, error), first uint32, good func(*wire.Owners) bool) (told wire.Owners, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	question := wire.AppendOwners(nil, &wire.Owners{First: first, Ask: wire.AskLiving})
	for ctx.Err() == nil {
		try, end := context.WithTimeout(ctx, Again)
		defer end() // there are few
		answer, err := request(try, question)
		if err == nil {
			told, err = wire.DecodeOwners(answer)
		}
		if err == nil && good(&told) {
			return told, true
		}
		<-try.Done()
	}
	return wire.Owners{}, false
}
