// Store, the seam of five methods; owners, tokens, ranges, entries

package state

import (
	"context"
	"time"
)

// Store keeps the state of the entities of one cluster. Implementations are safe for
// concurrent use, and end each call when its context ends. A node treats a call that panics, or ends
// its goroutine, as if it had returned an unknown error.
type Store interface {
	// Open moves the fence of a shard. With a zero token it opens the shard anew. It then
	// refuses an owner whose epoch is below the stored epoch of the same cluster
	// (ErrDeposed), and an owner of another cluster or layout. With the token that the caller
	// holds, Open moves the fence further, and returns ErrDeposed if another owner has opened the
	// shard meanwhile. If the answer is lost, Open may be tried again with the same token. After
	// any other error the fence may have moved, or may still move.
	Open(ctx context.Context, shard uint32, o Owner, held Token) (Token, error)
	// Commit stores a change, whole or not at all, and then calls done once, with the
	// revision of its record or, without one, of its first event. It never blocks. done may
	// be called before Commit returns and must not block. Either [Refused] knows the error of done,
	// or the error leaves in doubt whether the change was stored or still will be. Until
	// done is called, the store may keep what the change points at.
	Commit(c Change, done func(Rev, error))
	// Read returns what is stored in a range, in the order of revisions, and whether there is
	// more behind it. With a token, a read of one key has every change that was accepted before
	// the call. A read of all keys may be a moment old, but has no gaps. Both return ErrDeposed if
	// the store knows that the token is not the newest. Tools read with a zero token, and may see
	// what was stored a moment ago. Entries belong to the caller.
	Read(ctx context.Context, t Token, r Range) (es []Entry, more bool, err error)
	// Append stores mail for a key that no entity has sent. Mail with an ID is stored once:
	// a repeat within two minutes returns the first one's revision. After an error it may have been stored.
	Append(ctx context.Context, m Mail) (Rev, error)
	// Watch calls f with what is stored in a range from now on, until stop. The calls are
	// hints: they may come late, or never. Calls for one key come in order. An entry without a
	// revision says that the store may have missed some: read. The entry belongs to f, which must not block, nor call the
	// store. After and Most of the range mean nothing here.
	Watch(r Range, f func(Entry)) (stop func(), err error)
}

// Rev is a revision: each entry of a shard's place has a higher one than those before it. 0 is none.
type Rev uint64

// Owner says for which node a shard is opened.
type Owner struct {
	// Cluster is the identity of the records that say which node owns a shard. Epochs can be
	// compared only within one identity. Empty = none: the last owner to open a shard then
	// owns it, whatever its epoch.
	Cluster string
	// Layout says how keys map to shards. A store remembers the first layout that is not
	// empty, and refuses others.
	Layout string
	// Epoch is the epoch of the shard's record; 0 with a fixed list.
	Epoch uint64
}

// Token is the right to change a shard, until the store gives out another. The zero token is none.
type Token struct {
	Shard uint32
	Epoch uint64
	// N grows with each move of the shard's fence, in all epochs.
	N uint64
	// By marks an opening. It stays the same when the token's holder moves the fence further.
	By string
	// Rev is the revision of the fence.
	Rev Rev
}

// Place is where something is stored.
type Place uint8

// The places of a store.
const (
	Records   Place = iota // the newest of each key
	Events                 // of journaled keys: all
	Mails                  // from entities to keys of the shard
	Inbox                  // from outside to keys of the shard
	Reminders              // the newest of each key
	Parked                 // mail that keeps failing
	Spilled                // commands that no longer fit into their key's record
	Places                 // how many places there are
)

var places = [Places]string{"records", "events", "mails", "inbox", "reminders", "parked", "spilled"}

func (p Place) String() string {
	if p < Places {
		return places[p]
	}
	return "no place"
}

// Range is a part of what is stored.
type Range struct {
	Place Place
	Shard uint32
	// Kind and Key select one key. If both are empty, the range has all keys of the shard.
	Kind, Key string
	// After leaves out entries that are not newer than it.
	After Rev
	// Most is how many entries one Read returns at most. 0 = 256.
	Most int
}

// Limit is Most, or its default.
func (r Range) Limit() int {
	if r.Most > 0 {
		return r.Most
	}
	return 256
}

// Of reports whether the range selects one key.
func (r Range) Of() bool { return r.Kind != "" || r.Key != "" }

// Has reports whether an entry of a key, with a revision, is in the range.
func (r Range) Has(kind, key string, rev Rev) bool {
	return rev > r.After && (!r.Of() || r.Kind == kind && r.Key == key)
}

// Entry is one thing that is stored. Its place decides which of the fields after Time is set.
type Entry struct {
	Place     Place
	Shard     uint32
	Kind, Key string
	Rev       Rev
	Time      time.Time     // when it was stored, by the store's clock
	TTL       time.Duration // how long it is kept; 0 = for ever

	Record    *Record
	Event     *Event
	Mail      *Mail
	Reminders []Reminder
	Parked    *ParkedMail
	Commands  []Command
	// Err is [ErrUnreadable], in place of these.
	Err error
}
