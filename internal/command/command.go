// The commands that a key has carried out, in its record and beside it

package command

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/clstr-go/clstr/state"
)

const (
	recentIDs   = 64          // commands in a record
	recentBytes = 16 << 10    // of a record's commands, as JSON
	maxSpills   = 256         // groups of commands beside a record
	spillMargin = time.Minute // which a network may take to bring a try
)

// MaxReply bounds a reply that is kept with its ID, in bytes.
const MaxReply = 8 << 10

// Command is what is known of a message with an ID before it runs.
type Command struct {
	ID  [16]byte // a hash of the ID
	Sum [8]byte  // a hash of type and payload, to tell another message with the same ID
}

// Of returns the command that a message is. codec belongs to it, because the reply is kept as it was encoded.
func Of(messageID, typ, codec string, data []byte) (c Command) {
	id := sha256.Sum256([]byte(messageID))
	h := sha256.New()
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(typ)))) // a hash takes everything
	_, _ = h.Write([]byte(typ))
	_, _ = h.Write(data)
	_, _ = h.Write([]byte(codec))
	copy(c.ID[:], id[:])
	copy(c.Sum[:], h.Sum(nil))
	return c
}

// Check returns an error for commands that no key has stored: a key that finds such does not begin.
func Check(cs []state.Command) error {
	for _, c := range cs {
		if len(c.ID) != len(Command{}.ID) || len(c.Sum) != len(Command{}.Sum) {
			return fmt.Errorf("%w: an ID of %d bytes, with a sum of %d", state.ErrUnreadable, len(c.ID), len(c.Sum))
		}
	}
	return nil
}

// Known is the commands that a key has carried out. The newest are in the key's record. When
// the record is full of them, they go into a group beside it, which the store keeps for ttl. So
// only the store's clock says when a command is forgotten, and never before ttl has
// passed since it was carried out.
type Known struct {
	ttl    time.Duration   // of a group: the window, and what a network may take
	recent []state.Command // in the record, the oldest first
	bytes  int             // of recent
	groups []group         // the oldest first
	unread bool            // there may be groups that an earlier incarnation has made
	marked bool            // the record says that there may be groups
	out    []state.Command // go beside the record in the next change
	sent   []state.Command // the same of the change that is on its way
	unsent int             // how many of recent no change has taken yet
}

// group is commands beside the record. The store has their replies.
type group struct {
	until time.Time // by the monotonic clock of this process
	sums  map[[16]byte][8]byte
}

func groupOf(cs []state.Command, until time.Time) group {
	g := group{until, make(map[[16]byte][8]byte, len(cs))}
	for _, c := range cs {
		g.sums[[16]byte(c.ID)] = [8]byte(c.Sum)
	}
	return g
}

// New returns what a key knows that has carried out none, and is to know each for the window.
func New(window time.Duration) Known {
	return Known{ttl: (window + spillMargin + time.Second - 1).Truncate(time.Second)}
}

// Load takes over what a record says.
func (k *Known) Load(r *state.Record) {
	*k = Known{ttl: k.ttl, recent: r.Commands, marked: !r.Spilled.IsZero(), unread: !r.Spilled.IsZero()}
	for _, c := range k.recent {
		k.bytes += size(c)
	}
}

// Read takes over the groups that the store has beside the record.
func (k *Known) Read(es []state.Entry, now time.Time) {
	for _, e := range es {
		k.groups = append(k.groups, groupOf(e.Commands, now.Add(max(e.TTL, k.ttl))))
	}
	k.unread, k.marked = false, len(es) > 0
}

// Verdict is what a key knows about a command.
type Verdict uint8

const (
	Fresh   Verdict = iota // it was not carried out
	Done                   // it was, and here is its reply
	Begun                  // it was begun: a part of what it does is stored
	Spilled                // it was, and the store has its reply
	Reused                 // another message with its ID was
	Unread                 // unknown, before the groups beside the record are read
)

// Find returns what the key knows about a command, and the reply if that is Done.
func (k *Known) Find(c Command, now time.Time) (v Verdict, reply []byte) {
	for _, known := range [][]state.Command{k.recent, k.out, k.sent} { // the store may not have the last two yet
		for _, r := range slices.Backward(known) { // the newest: it may have been begun before
			if bytes.Equal(r.ID, c.ID[:]) {
				switch {
				case !bytes.Equal(r.Sum, c.Sum[:]):
					return Reused, nil
				case r.Begun:
					return Begun, nil
				}
				return Done, r.Reply
			}
		}
	}
	if k.unread {
		return Unread, nil
	}
	k.expire(now)
	for _, g := range k.groups {
		if sum, ok := g.sums[c.ID]; ok {
			if sum != c.Sum {
				return Reused, nil
			}
			return Spilled, nil
		}
	}
	return Fresh, nil
}

// In finds a spilled command in what the store has. It returns false if the store has forgotten
// the command.
func (c Command) In(es []state.Entry) (is state.Command, ok bool) {
	for _, e := range slices.Backward(es) { // the newest: it may have been begun before
		for _, known := range slices.Backward(e.Commands) {
			if bytes.Equal(known.ID, c.ID[:]) {
				return known, true
			}
		}
	}
	return state.Command{}, false
}

// expire forgets groups that the store has forgotten.
func (k *Known) expire(now time.Time) {
	n := 0
	for n < len(k.groups) && !now.Before(k.groups[n].until) {
		n++
	}
	if k.groups = k.groups[n:]; len(k.groups) == 0 {
		k.groups = nil
		k.marked = k.unread
	}
}

// Room returns 0, or how long it takes until the key may carry out another command. The key never
// forgets a command early to make room for a newer one.
func (k *Known) Room(now time.Time) time.Duration {
	if k.expire(now); len(k.groups) < maxSpills {
		return 0
	}
	return k.groups[0].until.Sub(now)
}

// Full reports whether the next change has to go out before the key carries out another
// command: a change has the commands of one record, and those that had to go for them.
func (k *Known) Full() bool {
	return k.unsent >= recentIDs || len(k.out) > 0 && k.bytes >= recentBytes/2
}

// Add notes a command that was carried out, for the next change.
func (k *Known) Add(c Command, reply []byte, now time.Time) {
	begun := func(r state.Command) bool { return r.Begun && bytes.Equal(r.ID, c.ID[:]) }
	if i := slices.IndexFunc(k.recent, begun); i >= 0 {
		k.bytes -= size(k.recent[i])
		k.recent = slices.Concat(k.recent[:i], k.recent[i+1:]) // a change on its way may have the old ones
	}
	k.put(state.Command{ID: c.ID[:], Sum: c.Sum[:], Reply: bytes.Clone(reply)}, now)
}

// Begin notes a command before it has a reply, because a part of what it does is in the next change.
func (k *Known) Begin(c Command, now time.Time) {
	k.put(state.Command{ID: c.ID[:], Sum: c.Sum[:], Begun: true}, now)
}

// put adds a command to the record. What no longer fits there goes beside it.
func (k *Known) put(made state.Command, now time.Time) {
	if len(k.recent) > 0 && (len(k.recent) >= recentIDs || k.bytes+size(made) > recentBytes) {
		k.out = append(k.out, k.recent...)
		k.groups, k.marked = append(k.groups, groupOf(k.recent, now.Add(k.ttl))), true
		k.recent, k.bytes = nil, 0
	}
	k.recent, k.bytes, k.unsent = append(k.recent, made), k.bytes+size(made), k.unsent+1
}

// Into writes the newest commands into a record, and returns the group that goes beside it in the same
// change; nil if there is none.
func (k *Known) Into(r *state.Record, now time.Time) (beside *state.Spill) {
	if len(k.out) > 0 {
		beside = &state.Spill{TTL: k.ttl, Commands: k.out}
	}
	k.sent, k.out, k.unsent = k.out, nil, 0
	r.Commands, r.Spilled = k.recent[:len(k.recent):len(k.recent)], time.Time{}
	if k.marked {
		r.Spilled = now.Add(k.ttl).UTC().Truncate(time.Second)
	}
	return beside
}

// Stored says that the change on its way was stored.
func (k *Known) Stored() { k.sent = nil }

// Refused says that the change on its way was not stored: the next one takes what it had.
func (k *Known) Refused() {
	k.sent, k.out = nil, slices.Concat(k.sent, k.out)
	k.unsent = len(k.recent)
}

// size is how large a command is in a record's head, at most.
func size(c state.Command) int { return 80 + (len(c.Reply)+2)/3*4 }
