// What a store refuses, and which errors leave no doubt

package state

import "errors"

// The errors of stores. Any other error means that a store could not be asked, or that its
// answer was lost.
var (
	// ErrDeposed: another owner has opened the shard, in the same epoch or a later one.
	// Nothing was stored. Stop serving the shard.
	ErrDeposed = errors.New("deposed: the shard has another owner")
	// ErrOtherCluster: what is stored belongs to another cluster. Give each cluster a store of
	// its own, or take the store over on purpose, with its option Adopt.
	ErrOtherCluster = errors.New("the state belongs to another cluster")
	// ErrOtherLayout: what is stored lies under shards of another layout. NumShards and the
	// seed cannot change under stored state.
	ErrOtherLayout = errors.New("the state is stored under another layout of shards")
	// ErrFull: the store takes nothing more. Nothing was stored. Give the store room, or
	// remove something.
	ErrFull = errors.New("the store of state is full")
	// ErrTooLarge: the change is larger than the store takes. Nothing was stored. Every
	// store takes changes up to [MaxState].
	ErrTooLarge = errors.New("too large to be stored")
	// ErrInvalid: the change breaks a rule that its types state. Nothing was stored.
	ErrInvalid = errors.New("invalid change")
	// ErrClosed: the store was closed before it was asked. Nothing was stored.
	ErrClosed = errors.New("the store of state is closed")
	// ErrSetBack: the store shows less than it did, and goes on doing so: it was emptied, or an
	// older copy was put in its place. A watch says so, and begins again with what is there.
	ErrSetBack = errors.New("the store of state was set back")
	// ErrUnreadable: what is stored cannot be read: something else wrote it, or a newer version.
	ErrUnreadable = errors.New("unreadable state")
)

// Refused reports whether an error of a commit says that surely nothing was stored.
// Every other error leaves that in doubt.
func Refused(err error) bool {
	for _, sure := range []error{ErrDeposed, ErrOtherCluster, ErrOtherLayout, ErrFull, ErrTooLarge, ErrInvalid, ErrClosed} {
		if errors.Is(err, sure) {
			return true
		}
	}
	return false
}
