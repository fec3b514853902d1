// Entries: what a change stores, one by one

package state

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Entries returns what a change stores, the record first. The entries have no revisions and times
// yet. Their epoch is the token's.
func Entries(c Change) []Entry {
	es := make([]Entry, 0, c.Parts())
	own := Entry{Shard: c.Token.Shard, Kind: c.Kind, Key: c.Key}
	add := func(p Place, e Entry) {
		e.Place = p
		es = append(es, e)
	}
	if c.Record != nil {
		r := *c.Record
		r.Epoch = c.Token.Epoch
		e := own
		e.Record, e.TTL = &r, r.TTL
		add(Records, e)
	}
	for _, event := range c.Events {
		event.Epoch = c.Token.Epoch
		e := own
		e.Event = &event
		add(Events, e)
	}
	for _, m := range c.Mail {
		add(Mails, Entry{Shard: m.Shard, Kind: m.Kind, Key: m.Key, Mail: &m})
	}
	if c.Reminders != nil {
		e := own
		e.Reminders = *c.Reminders
		add(Reminders, e)
	}
	for _, p := range c.Parked {
		e := own
		e.Parked = &p
		add(Parked, e)
	}
	if c.Spill != nil {
		e := own
		e.Commands, e.TTL = c.Spill.Commands, c.Spill.TTL
		add(Spilled, e)
	}
	return es
}

// Head returns what a store keeps beside the entry's body, as one JSON object.
func (e *Entry) Head() []byte {
	var v any
	switch e.Place {
	case Records:
		if plain(e.Record.Commands) {
			r := *e.Record
			r.Commands = nil
			rest := Entry{Record: &r}
			return appendCommands(rest.Head(), e.Record.Commands)
		}
		if b := appendRecord(e.Record); b != nil {
			return b
		}
		v = e.Record
	case Events:
		v = e.Event
	case Mails, Inbox:
		v = e.Mail
	case Parked:
		v = e.Parked
	case Reminders:
		v = e.Reminders
	case Spilled:
		v = e.Commands
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("state: %v", err)) // structs of strings, numbers and times, which Check has seen
	}
	return b
}

// appendRecord returns the head of a record that has only what most have, and nil for others. Each
// change writes one, and package json takes several times as long.
func appendRecord(r *Record) []byte {
	switch {
	case r.Type != "json" && r.Type != "protobuf", r.Deleted, len(r.Commands) > 0, !r.Spilled.IsZero(), r.Failing != nil:
		return nil
	}
	b := strconv.AppendUint(append(make([]byte, 0, 96), `{"n":`...), r.Number, 10)
	if r.Epoch != 0 {
		b = strconv.AppendUint(append(b, `,"e":`...), r.Epoch, 10)
	}
	if r.Version != 0 {
		b = strconv.AppendInt(append(b, `,"v":`...), int64(r.Version), 10)
	}
	b = append(append(append(b, `,"t":"`...), r.Type...), '"')
	if r.Mailed != 0 {
		b = strconv.AppendUint(append(b, `,"mailed":`...), uint64(r.Mailed), 10)
	}
	if r.Taken != 0 {
		b = strconv.AppendUint(append(b, `,"taken":`...), uint64(r.Taken), 10)
	}
	if r.TTL != 0 {
		b = strconv.AppendInt(append(b, `,"ttl":`...), int64(r.TTL), 10)
	}
	return append(b, '}')
}

// plain reports whether there are commands, and each has an ID, a sum and perhaps a reply.
func plain(cs []Command) bool {
	for _, c := range cs {
		if len(c.ID) == 0 || len(c.Sum) == 0 || !c.At.IsZero() || c.Begun {
			return false
		}
	}
	return len(cs) > 0
}

// appendCommands adds plain commands to a record's head. A busy key has many of them, and writes
// them with each change: package json takes several times as long.
func appendCommands(head []byte, cs []Command) []byte {
	n := 16
	for _, c := range cs {
		n += 48 + 4*(len(c.ID)+len(c.Sum)+len(c.Reply))/3
	}
	b := append(slices.Grow(head[:len(head)-1], n), `,"ids":[`...) // a record has a number, so the object is not empty
	for i, c := range cs {
		if i > 0 {
			b = append(b, ',')
		}
		b = base64.StdEncoding.AppendEncode(append(b, `{"id":"`...), c.ID)
		b = base64.StdEncoding.AppendEncode(append(b, `","sum":"`...), c.Sum)
		if len(c.Reply) > 0 {
			b = base64.StdEncoding.AppendEncode(append(b, `","r":"`...), c.Reply)
		}
		b = append(b, `"}`...)
	}
	return append(b, "]}"...)
}

// Body returns the bytes that the entry's user has made: a state, or a message.
func (e *Entry) Body() []byte {
	switch {
	case e.Record != nil:
		return e.Record.State
	case e.Event != nil:
		return e.Event.Payload
	case e.Mail != nil:
		return e.Mail.Payload
	case e.Parked != nil:
		return e.Parked.Mail.Payload
	}
	return nil
}

// Parse reads head and body, and sets the field that belongs to the entry's place. If they cannot
// be read, it sets Err.
func (e *Entry) Parse(head, body []byte) {
	if err := e.parse(head, body); err != nil {
		e.Err = fmt.Errorf("%w: %v of %s %q at %d: %v", ErrUnreadable, e.Place, e.Kind, e.Key, e.Rev, err)
	}
}

func (e *Entry) parse(head, body []byte) error {
	switch e.Place {
	case Records:
		var r Record
		if err := json.Unmarshal(head, &r); err != nil {
			return err
		}
		if r.Number == 0 {
			return fmt.Errorf("no number in %.100q", head)
		}
		r.State = body
		e.Record, e.TTL = &r, r.TTL
	case Events:
		var v Event
		if err := json.Unmarshal(head, &v); err != nil {
			return err
		}
		if v.Number == 0 {
			return fmt.Errorf("no number in %.100q", head)
		}
		v.Payload = body
		e.Event = &v
	case Mails, Inbox:
		var m Mail
		if err := json.Unmarshal(head, &m); err != nil {
			return err
		}
		m.Shard, m.Kind, m.Key, m.Payload = e.Shard, e.Kind, e.Key, body
		e.Mail = &m
	case Parked:
		var p ParkedMail
		if err := json.Unmarshal(head, &p); err != nil {
			return err
		}
		p.Mail.Shard, p.Mail.Kind, p.Mail.Key, p.Mail.Payload = e.Shard, e.Kind, e.Key, body
		e.Parked = &p
	case Reminders:
		return json.Unmarshal(head, &e.Reminders)
	case Spilled:
		return json.Unmarshal(head, &e.Commands)
	default:
		return fmt.Errorf("place %d", e.Place)
	}
	return nil
}

// Ended reports whether the entry's TTL has passed.
func (e *Entry) Ended(now time.Time) bool { return e.TTL > 0 && now.Sub(e.Time) >= e.TTL }

// Clone returns an entry that shares no memory with e.
func (e Entry) Clone() Entry {
	commands := func(cs []Command) []Command {
		cs = slices.Clone(cs)
		for i, c := range cs {
			cs[i] = Command{bytes.Clone(c.ID), bytes.Clone(c.Sum), c.At, bytes.Clone(c.Reply), c.Begun}
		}
		return cs
	}
	mail := func(m Mail) Mail {
		m.Header, m.Payload = maps.Clone(m.Header), bytes.Clone(m.Payload)
		return m
	}
	if e.Record != nil {
		r := *e.Record
		r.State, r.Commands = bytes.Clone(r.State), commands(r.Commands)
		if r.Failing != nil {
			f := *r.Failing
			r.Failing = &f
		}
		e.Record = &r
	}
	if e.Event != nil {
		v := *e.Event
		v.Payload = bytes.Clone(v.Payload)
		e.Event = &v
	}
	if e.Mail != nil {
		m := mail(*e.Mail)
		e.Mail = &m
	}
	if e.Parked != nil {
		p := *e.Parked
		p.Mail = mail(p.Mail)
		e.Parked = &p
	}
	e.Commands, e.Reminders = commands(e.Commands), slices.Clone(e.Reminders)
	for i, r := range e.Reminders {
		e.Reminders[i].Payload = bytes.Clone(r.Payload)
	}
	return e
}
