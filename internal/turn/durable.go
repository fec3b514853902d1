// What a turn waits for before its messages leave the key: the state that it has seen

package turn

import "context"

// DurableKey finds the [Durable] of a turn by its context.
type DurableKey struct{}

// Durable is a turn of a key whose state is kept in a store.
type Durable interface {
	// Unstored returns what waits until all that the turn has found changed at its key is
	// stored, or returns why it never will be: then the turn will be undone, and nothing of it
	// may leave. It returns nil where there is nothing to wait for. What the turn itself has
	// changed is not waited for.
	Unstored() (wait func(ctx context.Context) error)
}

// Unstored is that of the turn that ctx belongs to; nil for none. What waits holds no lock
// and gives no place away: the caller does that with a Wait.
func Unstored(ctx context.Context) (wait func(ctx context.Context) error) {
	if d, ok := ctx.Value(DurableKey{}).(Durable); ok {
		return d.Unstored()
	}
	return nil
}
