// Commands: the messages with an ID that a key has carried out, in its record and beside it

package host

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
	maxReply    = 8 << 10     // bytes of a reply that is kept with its ID
	maxSpills   = 256         // groups of commands beside a record
	spillMargin = time.Minute // which a network may take to bring a try
)

// command is what is known of a message with an ID before it runs.
type command struct {
	id  [16]byte // a hash of the ID
	sum [8]byte  // a hash of type and payload, to tell another message with the same ID
}

func commandOf(m Message) (c command) {
	id := sha256.Sum256([]byte(m.ID))
	h := sha256.New()
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(m.Type)))) // a hash takes everything
	_, _ = h.Write([]byte(m.Type))
	_, _ = h.Write(m.Data)
	_, _ = h.Write([]byte(m.Codec)) // the reply is kept as it was encoded
	copy(c.id[:], id[:])
	copy(c.sum[:], h.Sum(nil))
	return c
}

// CheckCommands returns an error for commands that no key has stored: a key that finds such does not begin.
func CheckCommands(cs []state.Command) error {
	for _, c := range cs {
		if len(c.ID) != len(command{}.id) || len(c.Sum) != len(command{}.sum) {
			return fmt.Errorf("%w: an ID of %d bytes, with a sum of %d", state.ErrUnreadable, len(c.ID), len(c.Sum))
		}
	}
	return nil
}

// commands are the commands that a key has carried out. The newest are in the key's record. When
// the record is full of them, they go into a group beside it, which the store keeps for ttl. So
// only the store's clock says when a command is forgotten, and never before ttl has
// passed since it was carried out. commands are used only on the key's turn.
type commands struct {
	ttl    time.Duration   // of a group: the window, and what a network may take
	recent []state.Command // in the record, the oldest first
	bytes  int             // of recent
	spills []spill         // the oldest first
	unread bool            // there may be groups that were spilled by an earlier incarnation
	marked bool            // the record says that there may be groups
	out    *state.Spill    // goes beside the record in the next change
	sent   *state.Spill    // the same of the change that is on its way
	unsent int             // how many of recent no change has taken yet
}

// spill is a group beside the record. The store has its replies.
type spill struct {
	until time.Time // by the monotonic clock of this process
	ids   map[[16]byte][8]byte
}

func newCommands(window time.Duration) commands {
	return commands{ttl: (window + spillMargin + time.Second - 1).Truncate(time.Second)}
}

// load takes over what a record says.
func (cs *commands) load(r *state.Record) {
	cs.recent, cs.bytes, cs.out, cs.sent, cs.unsent = r.Commands, 0, nil, nil, 0
	for _, c := range cs.recent {
		cs.bytes += commandBytes(c)
	}
	cs.spills, cs.marked = nil, !r.Spilled.IsZero()
	cs.unread = cs.marked
}

// read takes over the groups that the store has beside the record.
func (cs *commands) read(es []state.Entry, now time.Time) {
	for _, e := range es {
		s := spill{now.Add(max(e.TTL, cs.ttl)), make(map[[16]byte][8]byte, len(e.Commands))}
		for _, c := range e.Commands {
			s.ids[[16]byte(c.ID)] = [8]byte(c.Sum)
		}
		cs.spills = append(cs.spills, s)
	}
	cs.unread, cs.marked = false, len(es) > 0
}

// verdict is what a key knows about a command.
type verdict uint8

const (
	fresh   verdict = iota // it was not carried out
	done                   // it was, and here is its reply
	begun                  // it was begun: a part of what it does is stored
	spilled                // it was, and the store has its reply
	reused                 // another message with its ID was
	unread                 // unknown, before the groups beside the record are read
)

func (cs *commands) find(c command, now time.Time) (v verdict, reply []byte) {
	at := [][]state.Command{cs.recent, nil, nil}
	for i, s := range []*state.Spill{cs.out, cs.sent} { // which the store does not have yet
		if s != nil {
			at[i+1] = s.Commands
		}
	}
	for _, known := range at {
		for _, r := range slices.Backward(known) { // the newest: it may have been begun before
			if bytes.Equal(r.ID, c.id[:]) {
				switch {
				case !bytes.Equal(r.Sum, c.sum[:]):
					return reused, nil
				case r.Begun:
					return begun, nil
				}
				return done, r.Reply
			}
		}
	}
	if cs.unread {
		return unread, nil
	}
	cs.expire(now)
	for _, s := range cs.spills {
		if sum, ok := s.ids[c.id]; ok {
			if sum != c.sum {
				return reused, nil
			}
			return spilled, nil
		}
	}
	return fresh, nil
}

// in finds a spilled command in what the store has. It returns false if the store has forgotten
// the command.
func (c command) in(es []state.Entry) (is state.Command, ok bool) {
	for _, e := range slices.Backward(es) { // the newest: it may have been begun before
		for _, known := range slices.Backward(e.Commands) {
			if bytes.Equal(known.ID, c.id[:]) {
				return known, true
			}
		}
	}
	return state.Command{}, false
}

// expire forgets groups that the store has forgotten.
func (cs *commands) expire(now time.Time) {
	n := 0
	for n < len(cs.spills) && !now.Before(cs.spills[n].until) {
		n++
	}
	if cs.spills = cs.spills[n:]; len(cs.spills) == 0 {
		cs.spills = nil
		cs.marked = cs.unread
	}
}

// room returns 0, or how long it takes until the key may carry out another command. The key never
// forgets a command early to make room for a newer one.
func (cs *commands) room(now time.Time) time.Duration {
	if cs.expire(now); len(cs.spills) < maxSpills {
		return 0
	}
	return cs.spills[0].until.Sub(now)
}

// full reports whether the next change has to go out before the key carries out another
// command: a change has the commands of one record, and those that had to go for them.
func (cs *commands) full() bool {
	return cs.unsent >= recentIDs || cs.out != nil && cs.bytes >= recentBytes/2
}

// add notes a command that was carried out, for the next change.
func (cs *commands) add(c command, reply []byte, now time.Time) {
	begun := func(k state.Command) bool { return k.Begun && bytes.Equal(k.ID, c.id[:]) }
	if i := slices.IndexFunc(cs.recent, begun); i >= 0 {
		cs.bytes -= commandBytes(cs.recent[i])
		cs.recent = slices.Concat(cs.recent[:i], cs.recent[i+1:]) // a change on its way may have the old ones
	}
	cs.put(state.Command{ID: c.id[:], Sum: c.sum[:], Reply: bytes.Clone(reply)}, now)
}

// begin notes a command before it has a reply, because a part of what it does is in the next change.
func (cs *commands) begin(c command, now time.Time) {
	cs.put(state.Command{ID: c.id[:], Sum: c.sum[:], Begun: true}, now)
}

// put adds a command to the record. What no longer fits there goes beside it.
func (cs *commands) put(made state.Command, now time.Time) {
	size := commandBytes(made)
	if len(cs.recent) > 0 && (len(cs.recent) >= recentIDs || cs.bytes+size > recentBytes) {
		if cs.out == nil {
			cs.out = &state.Spill{TTL: cs.ttl}
		}
		cs.out.Commands = append(cs.out.Commands, cs.recent...)
		s := spill{now.Add(cs.ttl), make(map[[16]byte][8]byte, len(cs.recent))}
		for _, old := range cs.recent {
			s.ids[[16]byte(old.ID)] = [8]byte(old.Sum)
		}
		cs.spills, cs.marked = append(cs.spills, s), true
		cs.recent, cs.bytes = nil, 0
	}
	cs.recent, cs.bytes, cs.unsent = append(cs.recent, made), cs.bytes+size, cs.unsent+1
}

// into writes the newest commands into a record, and returns the group that goes beside it in the same
// change; nil if there is none.
func (cs *commands) into(r *state.Record, now time.Time) (beside *state.Spill) {
	beside, cs.sent, cs.out, cs.unsent = cs.out, cs.out, nil, 0
	r.Commands, r.Spilled = cs.recent[:len(cs.recent):len(cs.recent)], time.Time{}
	if cs.marked {
		r.Spilled = now.Add(cs.ttl).UTC().Truncate(time.Second)
	}
	return beside
}

// stored says that the change on its way was stored.
func (cs *commands) stored() { cs.sent = nil }

// refused says that the change on its way was not stored: the next one takes what it had.
func (cs *commands) refused() {
	if s := cs.sent; s != nil {
		if cs.out != nil {
			s.Commands = append(s.Commands, cs.out.Commands...)
		}
		cs.out, cs.sent = s, nil
	}
	cs.unsent = len(cs.recent)
}

// commandBytes is how large a command is in a record's head, at most.
func commandBytes(c state.Command) int { return 80 + (len(c.Reply)+2)/3*4 }
