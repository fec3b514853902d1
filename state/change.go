// Change, and what it is made of

package state

import "time"

// Change has everything that one turn of a key, or several turns, have changed. It is stored
// whole or not at all.
type Change struct {
	Token     Token
	Kind, Key string
	// Record replaces the key's record. A change has a record or events.
	Record *Record
	// Events are appended to the key's events.
	Events []Event
	// Mail is for other keys.
	Mail []Mail
	// Reminders replace the key's reminders. nil keeps them, and an empty list removes them.
	Reminders *[]Reminder
	// Parked is mail that was put aside.
	Parked []ParkedMail
	// Spill has commands that no longer fit into the record.
	Spill *Spill
	// Drop removes mail that is done, and parked mail. A store may do that later than the rest,
	// or never: Record.Done says what is done.
	Drop []Ref
}

// Ref is one thing in a place of the change's shard.
type Ref struct {
	Place Place `json:"place"`
	Rev   Rev   `json:"rev"`
}

// Record is what a store keeps for a key. All fields but State are stored as one JSON object: fields may
// be added, and none may change its meaning.
type Record struct {
	// Number counts the changes of the key, from 1; after the largest number comes 1. It shows
	// whether a change in doubt was stored.
	Number uint64 `json:"n"`
	// Epoch is the epoch of the token that stored the record; the store sets it.
	Epoch uint64 `json:"e,omitempty"`
	// Version is the version of the state's type.
	Version int `json:"v,omitempty"`
	// Type says how State is encoded: "json" or "protobuf".
	Type string `json:"t,omitempty"`
	// Deleted marks a key that was deleted, and whose commands are still known.
	Deleted bool `json:"deleted,omitempty"`
	// Commands are the last commands with an ID that the key has carried out.
	Commands []Command `json:"ids,omitempty"`
	// Spilled is the time until which the place [Spilled] may have further commands.
	Spilled time.Time `json:"spilled,omitzero"`
	// Mailed and Taken are the newest mail that is done, of the places Mails and Inbox.
	Mailed Rev `json:"mailed,omitempty"`
	Taken  Rev `json:"taken,omitempty"`
	// Failing is mail that has failed and is tried again.
	Failing *Failing `json:"failing,omitempty"`
	// TTL is how long the record is kept, in whole seconds. 0 = for ever.
	TTL time.Duration `json:"ttl,omitempty"`

	State []byte `json:"-"`
}

// Command is a command that a key has carried out and must not carry out again.
type Command struct {
	ID    []byte    `json:"id"`  // a hash
	Sum   []byte    `json:"sum"` // of the message: tells apart two messages with the same ID
	At    time.Time `json:"at,omitzero"`
	Reply []byte    `json:"r,omitempty"`
	// Begun: the state has a part of what the command does, and the command had no reply yet.
	Begun bool `json:"begun,omitempty"`
}

// Spill is a group of commands that the store keeps for TTL, in whole seconds.
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
	// Number is the change's number: the same for all events of one change.
	Number  uint64 `json:"n"`
	Epoch   uint64 `json:"e,omitempty"` // the store sets it
	Type    string `json:"t,omitempty"`
	Payload []byte `json:"-"`
}

// Mail is a message to a key. The key carries it out once, however late.
type Mail struct {
	Shard     uint32 `json:"-"`
	Kind, Key string `json:"-"`
	// ID is the sender's choice. Mail with the same kind, key and ID is the same mail.
	ID      string            `json:"id,omitempty"`
	Type    string            `json:"t,omitempty"`
	Header  map[string]string `json:"h,omitempty"`
	Due     time.Time         `json:"due,omitzero"` // not before
	Payload []byte            `json:"-"`
}

// Reminder is a message that a key has asked to get at a time.
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
