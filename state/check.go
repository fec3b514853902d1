// What every store takes, and what it refuses

package state

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// What every store takes.
const (
	MaxState = 768 << 10 // bytes of a change: states, payloads, and all that goes with them
	MaxKind  = 512       // bytes of a kind
	MaxKey   = 4 << 10   // bytes of a key
	MaxParts = 256       // things that one change may store
	MaxHead  = 48 << 10  // bytes that go with a body: as JSON, a record's commands, a mail's headers
)

// Number is that of the change.
func (c *Change) Number() uint64 {
	if c.Record != nil {
		return c.Record.Number
	}
	if len(c.Events) > 0 {
		return c.Events[0].Number
	}
	return 0
}

// Bytes is about how many bytes the change takes in a store.
func (c *Change) Bytes() int {
	n := len(c.Kind) + len(c.Key)
	commands := func(cs []Command) {
		for _, c := range cs {
			n += len(c.ID) + len(c.Sum) + len(c.Reply)*4/3 + 64
			if !c.At.IsZero() {
				n += 40
			}
			if c.Begun {
				n += 16
			}
		}
	}
	mail := func(m *Mail) {
		n += len(m.Kind) + len(m.Key) + len(m.ID) + len(m.Payload) + 128
		for k, v := range m.Header {
			n += len(k) + len(v) + 8
		}
	}
	if r := c.Record; r != nil {
		n += len(r.State) + 256
		commands(r.Commands)
	}
	for _, e := range c.Events {
		n += len(e.Payload) + len(e.Type) + 64
	}
	for i := range c.Mail {
		mail(&c.Mail[i])
	}
	for i := range c.Parked {
		mail(&c.Parked[i].Mail)
		n += len(c.Parked[i].Error)
	}
	if c.Reminders != nil {
		for _, r := range *c.Reminders {
			n += len(r.Name) + len(r.Schedule) + len(r.Payload)*4/3 + 96
		}
	}
	if c.Spill != nil {
		commands(c.Spill.Commands)
	}
	return n
}

// Parts is how many entries the change stores.
func (c *Change) Parts() int {
	n := len(c.Events) + len(c.Mail) + len(c.Parked)
	for _, there := range []bool{c.Record != nil, c.Reminders != nil, c.Spill != nil} {
		if there {
			n++
		}
	}
	return n
}

// Check returns ErrInvalid or ErrTooLarge for a change that every store must refuse. Stores call it.
func (c *Change) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case c.Token == Token{}:
		return bad("no token")
	case c.Record == nil && len(c.Events) == 0:
		return bad("neither a record nor events")
	case c.Number() == 0:
		return bad("number 0: changes of a key count from 1")
	case slices.ContainsFunc(c.Events, func(e Event) bool { return e.Number != c.Number() }):
		return bad("events of several numbers")
	case c.Record != nil && !whole(c.Record.TTL) || c.Spill != nil && !whole(c.Spill.TTL):
		return bad("a TTL is in whole seconds")
	case c.Parts() > MaxParts:
		return fmt.Errorf("%w: %d parts, at most %d allowed", ErrTooLarge, c.Parts(), MaxParts)
	case c.Bytes() > MaxState:
		return fmt.Errorf("%w: about %d bytes, at most %d allowed", ErrTooLarge, c.Bytes(), MaxState)
	}
	if err := CheckKey(c.Kind, c.Key); err != nil {
		return err
	}
	for i := range c.Parked {
		if m := &c.Parked[i].Mail; m.Kind != c.Kind || m.Key != c.Key || m.Shard != c.Token.Shard {
			return bad("parked mail of another key")
		}
		if err := c.Parked[i].Mail.Check(); err != nil {
			return err
		}
	}
	for i := range c.Mail {
		if err := c.Mail[i].Check(); err != nil {
			return err
		}
	}
	if c.Record != nil && len(c.Record.Commands) > 0 {
		if err := checkHead(Entry{Place: Records, Record: c.Record}, c.Bytes()-len(c.Record.State)); err != nil {
			return err
		}
	}
	return c.checkTexts()
}

// checkTexts refuses text that JSON would change or refuse.
func (c *Change) checkTexts() error {
	var texts []string
	var times []time.Time
	commands := func(cs []Command) {
		for _, c := range cs {
			if !c.At.IsZero() {
				times = append(times, c.At)
			}
		}
	}
	if r := c.Record; r != nil {
		texts, times = append(texts, r.Type), append(times, r.Spilled)
		commands(r.Commands)
	}
	if c.Spill != nil {
		commands(c.Spill.Commands)
	}
	for _, e := range c.Events {
		texts = append(texts, e.Type)
	}
	if c.Reminders != nil {
		for _, r := range *c.Reminders {
			texts, times = append(texts, r.Name, r.Schedule, r.Missed, r.Type), append(times, r.Due)
		}
	}
	return checkTexts(texts, times)
}

// checkHead measures a head that may be too large; about is its size without escapes.
func checkHead(e Entry, about int) error {
	if about*6 <= MaxHead { // the longest escape of a byte
		return nil
	}
	if n := len(e.Head()); n > MaxHead {
		return fmt.Errorf("%w: %d bytes beside the body of one of its %v, at most %d allowed", ErrTooLarge, n, e.Place, MaxHead)
	}
	return nil
}

func checkTexts(texts []string, times []time.Time) error {
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%w: %q is not UTF-8", ErrInvalid, s)
		}
	}
	for _, t := range times {
		if _, err := t.MarshalJSON(); err != nil {
			return fmt.Errorf("%w: %v", ErrInvalid, err)
		}
	}
	return nil
}

func whole(ttl time.Duration) bool { return ttl >= 0 && ttl%time.Second == 0 }

// Check returns ErrInvalid or ErrTooLarge for mail that every store must refuse.
func (m *Mail) Check() error {
	one := Change{Mail: []Mail{*m}}
	if one.Bytes() > MaxState {
		return fmt.Errorf("%w: mail of about %d bytes, at most %d allowed", ErrTooLarge, one.Bytes(), MaxState)
	}
	texts := []string{m.ID, m.Type}
	for name, value := range m.Header {
		texts = append(texts, name, value)
	}
	if err := checkTexts(texts, []time.Time{m.Due}); err != nil {
		return err
	}
	if err := checkHead(Entry{Place: Mails, Mail: m}, one.Bytes()-len(m.Payload)); err != nil {
		return err
	}
	return CheckKey(m.Kind, m.Key)
}

// CheckKey returns ErrInvalid if kind and key cannot be those of an entity.
func CheckKey(kind, key string) error {
	switch {
	case kind == "" || len(kind) > MaxKind:
		return fmt.Errorf("%w: kind of %d bytes: 1 to %d allowed", ErrInvalid, len(kind), MaxKind)
	case key == "" || len(key) > MaxKey:
		return fmt.Errorf("%w: key of %d bytes: 1 to %d allowed", ErrInvalid, len(key), MaxKey)
	}
	return nil
}
