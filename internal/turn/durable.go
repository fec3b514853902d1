// The state that must be stored before a turn's messages leave its key

package turn

import "context"

// DurableKey finds the [Durable] of a turn by its context.
type DurableKey struct{}

// Durable is a turn of a key whose state is kept in a store.
type Durable interface {
	// Unstored returns a func that waits until all changes that the turn has found at its key are
	// stored. The func returns why they never will be: then the turn will be undone, and none of its
	// messages may leave. Unstored returns nil if there is nothing to wait for. It does not wait for
	// the turn's own changes.
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
