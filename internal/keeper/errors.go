// What a keeper says of changes and reads

package keeper

import (
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/state"
)

var (
	// ErrInDoubt: the change may be stored. The node lost the shard before it could find out.
	ErrInDoubt = errors.New("it is not known whether the change was stored")
	// ErrNoStore: the store does not answer, or refuses this node. Nothing was read.
	ErrNoStore = errors.New("the store of state does not serve the shard")
	// ErrNotOpen: the keeper was not told to open the shard.
	ErrNotOpen = errors.New("the shard's state is not open")
)

// inDoubt does not wrap why, because why may be an error that says that nothing was stored.
func inDoubt(why error) error { return fmt.Errorf("%w: %v", ErrInDoubt, why) }

// notOpen is a refusal like that of another owner: surely nothing was stored.
func notOpen(shard uint32) error {
	return fmt.Errorf("%w: %w: %d", state.ErrDeposed, ErrNotOpen, shard)
}
