// What a store refuses, and which errors leave no doubt

package state

import "errors"

// The errors of stores. Any other error means that a store could not be asked, or that its
// answer was lost.
var (
	// ErrDeposed: another owner has opened the shard, in the same epoch or a later one.
	// Nothing was stored. Stop serving the shard.
	ErrDeposed = errors.New("deposed: the shard has another owner")
	// ErrOtherCluster: the stored state belongs to another cluster. Give each cluster a store of
	// its own. To take the store over on purpose, set its option Adopt.
	ErrOtherCluster = errors.New("the state belongs to another cluster")
	// ErrOtherLayout: the stored state lies under the shards of another layout. NumShards and the
	// seed cannot change under stored state.
	ErrOtherLayout = errors.New("the state is stored under another layout of shards")
	// ErrFull: the store has no more room. Nothing was stored. Give the store room, or
	// remove something.
	ErrFull = errors.New("the store of state is full")
	// ErrTooLarge: the change is larger than the store allows. Nothing was stored. Every
	// store takes changes up to [MaxState].
	ErrTooLarge = errors.New("too large to be stored")
	// ErrInvalid: the change breaks a rule of its types; the message says which. Nothing was stored.
	ErrInvalid = errors.New("invalid change")
	// ErrRejected: the store does not take this change, and would not take it later either. Nothing was stored. A store returns
	// it for a change that breaks a rule of the store's own. A node ends a change with it if the store has failed with the change for
	// about 10 s, although the store answers other questions. Then the text has the store's last error.
	ErrRejected = errors.New("the store of state rejects the change")
	// ErrClosed: the store was closed before the call. Nothing was stored.
	ErrClosed = errors.New("the store of state is closed")
	// ErrSetBack: the store shows an older state than it did, and goes on doing so: an older copy
	// was put in its place, or it was emptied and has new states. A watch says so, and begins again
	// with what is there.
	ErrSetBack = errors.New("the store of state was set back")
	// ErrUnreadable: what is stored cannot be read: something else wrote it, or a newer version.
	ErrUnreadable = errors.New("unreadable state")
)

// Refused reports whether an error of a commit proves that nothing was stored.
// After any other error the change may have been stored.
func Refused(err error) bool {
	for _, sure := range []error{ErrDeposed, ErrOtherCluster, ErrOtherLayout, ErrFull, ErrTooLarge, ErrInvalid, ErrRejected, ErrClosed} {
		if errors.Is(err, sure) {
			return true
		}
	}
	return false
}
