// Change, and what it is made of

package state

import "time"

// Change is all that one turn of a key has changed, or several turns together. It is stored
// whole or not at all.
type Change struct {
	Token     Token
	Kind, Key string
	// Record replaces the key's. A change has a record or events.
	Record *Record
	// Events are appended to the key's.
	Events []Event
	// Mail is for other keys.
	Mail []Mail
	// Reminders replace the key's; an empty list removes them. nil leaves them.
	Reminders *[]Reminder
	// Parked is mail that was put aside.
	Parked []ParkedMail
	// Spill are commands that no longer fit into the record.
	Spill *Spill
	// Drop removes mail that is done, and parked mail. A store may do so later than the rest,
	// or never: Record.Done says what is done.
	Drop []Ref
}

// Ref is one thing in a place of the change's shard.
type Ref struct {
	Place Place `json:"place"`
	Rev   Rev   `json:"rev"`
}

// Record is what is kept of a key. The fields but State are stored as one JSON object: more may
// be added, and none may change its meaning.
type Record struct {
	// Number counts the changes of the key, from 1. A change in doubt is decided by it.
	Number uint64 `json:"n"`
	// Epoch is that of the token that stored it; the store sets it.
	Epoch uint64 `json:"e,omitempty"`
	// Version is that of the state's type.
	Version int `json:"v,omitempty"`
	// Type says how State is encoded: "json" or "protobuf".
	Type string `json:"t,omitempty"`
	// Deleted marks a key that was deleted, and whose commands are still known.
	Deleted bool `json:"deleted,omitempty"`
	// Commands are those with an ID that the key has carried out of late.
	Commands []Command `json:"ids,omitempty"`
	// Spilled is the time until which there may be further commands in the place [Spilled].
	Spilled time.Time `json:"spilled,omitzero"`
	// Mailed and Taken are the newest mail that is done, of the places Mails and Inbox.
	Mailed Rev `json:"mailed,omitempty"`
	Taken  Rev `json:"taken,omitempty"`
	// Failing is the mail that has failed and is tried again.
	Failing *Failing `json:"failing,omitempty"`
	// TTL is how long the record stays: whole seconds. 0 = for ever.
	TTL time.Duration `json:"ttl,omitempty"`

	State []byte `json:"-"`
}

// Command is one that a key has carried out and must not carry out again.
type Command struct {
	ID    []byte    `json:"id"`  // a hash
	Sum   []byte    `json:"sum"` // of the message, to tell another with the same ID
	At    time.Time `json:"at,omitzero"`
	Reply []byte    `json:"r,omitempty"`
}

// Spill is a group of commands that are kept for TTL, in whole seconds.
type Spill struct {
	Commands []Command     `json:"ids"`
	TTL      time.Duration `json:"ttl"`
}

// Failing is the first mail of a lane that has not succeeded yet.
type Failing struct {
	Mail     Ref    `json:"mail"`
	Attempts int    `json:"attempts"`
	Error    string `json:"err,omitempty"`
}

// Event is one event of a journaled key.
type Event struct {
	// Number is that of the change: the same for all events of one.
	Number  uint64 `json:"n"`
	Epoch   uint64 `json:"e,omitempty"` // the store sets it
	Type    string `json:"t,omitempty"`
	Payload []byte `json:"-"`
}

// Mail is a message to a key that is carried out once, however late.
type Mail struct {
	Shard     uint32 `json:"-"`
	Kind, Key string `json:"-"`
	// ID is the sender's own: what has the same kind, key and ID is the same mail.
	ID      string            `json:"id,omitempty"`
	Type    string            `json:"t,omitempty"`
	Header  map[string]string `json:"h,omitempty"`
	Due     time.Time         `json:"due,omitzero"` // not before
	Payload []byte            `json:"-"`
}

// Reminder is a message that a key has asked for, at a time.
type Reminder struct {
	Name     string    `json:"name"`
	Due      time.Time `json:"due"`
	Schedule string    `json:"schedule,omitempty"`
	Missed   string    `json:"missed,omitempty"`
	Type     string    `json:"t,omitempty"`
	Payload  []byte    `json:"payload,omitempty"`
}

// ParkedMail is mail that has failed too often.
type ParkedMail struct {
	Mail     Mail   `json:"mail"` // to a key of the change
	From     Ref    `json:"from"`
	Attempts int    `json:"attempts"`
	Error    string `json:"err,omitempty"`
}
