// Contexts of what goes on without the handler that began it

package dispatch

import (
	"context"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
)

// Detached returns a context with the values of ctx that does not end with ctx. If ctx is a
// handler's, the returned context is no part of the handler's turn.
func Detached(ctx context.Context) context.Context { return detached{context.WithoutCancel(ctx)} }

type detached struct{ context.Context }

// Value implements context.Context.
func (d detached) Value(key any) any {
	switch key.(type) {
	case callKey, lifetimeKey, turn.MakerKey, turn.DurableKey:
		return nil
	}
	if pool.IsKey(key) {
		return nil
	}
	return d.Context.Value(key)
}
