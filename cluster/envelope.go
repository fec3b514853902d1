// The only birthplace of an envelope

package cluster

import (
	"sync"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// message is what a client is asked to send.
type message struct {
	to       target
	delivery transport.Delivery
	parcel
	reply   plain.Value      // of a call that has succeeded; none for a reply of bytes
	scoped  []EnvelopeOption // of the ScopedClient
	command                  // that the message is

	first bool // no notification in the window is before it
	shown bool // the client's Intercept has it

	line *line // of a notification that waits for room at its key; nil for other messages
}

// sketch fills env with what an error says of a message that gets no envelope. It is not inlined, because that would make
// the stacks of all callers larger.
//
//go:noinline
func (m *message) sketch(env *Envelope) {
	*env = Envelope{Delivery: m.delivery, Kind: m.to.kind, Key: m.to.key, Type: m.typ, Shard: int(m.to.shard)}
}

// envelopes makes the envelopes of a client.
type envelopes struct {
	options   []EnvelopeOption
	propagate []string // headers, beside those that go on in any case
	late      bool     // the transport stamps what a handler of this process gets
}

// newEnvelope is the only birthplace of an envelope. Options come first, so that
// they cannot change where the message goes. shard is that of the message under by.
//
// opts are the options of the call. They are no part of the message, because what a message holds may be kept. If they were,
// each call with an option would allocate.
func (e *envelopes) newEnvelope(env *Envelope, m *message, opts []EnvelopeOption, shard uint32, by *mapping) error {
	if len(e.options)+len(m.scoped)+len(opts) == 0 {
		*env = Envelope{Delivery: m.delivery}
	} else {
		e.draft(env, m, opts)
	}
	env.Shard, env.Kind, env.Key, env.Type, env.Codec, env.Data, env.ReplyTo = int(shard), m.to.kind, m.to.key, m.typ, m.codec, m.data, ""
	if env.CreatedAtMs = 0; !e.late || env.Delivery == transport.AwaitReply || env.TTLMs > 0 || env.ID != "" {
		env.Stamp() // a notification without an end has no use for it on a wire
	}
	env.NumShards, env.Layout = 0, 0
	if m.to.byKey {
		if m.to.key == "" {
			return outcome.Errorf(ErrKeyRequired, "message type %q", m.typ)
		}
		env.NumShards, env.Layout = by.layout.NumShards, by.print
	}
	if shard >= by.layout.NumShards {
		return outcome.Errorf(ErrShardOutOfRange, "shard %d: 0 to %d allowed", shard, by.layout.NumShards-1)
	}
	return env.Validate()
}

// drafts are envelopes that options are applied to: they need one on the heap.
var drafts = sync.Pool{New: func() any { return new(Envelope) }}

// draft fills env with what the options say.
func (e *envelopes) draft(env *Envelope, m *message, opts []EnvelopeOption) {
	d := drafts.Get().(*Envelope)
	*d = Envelope{Delivery: m.delivery}
	for _, all := range [...][]EnvelopeOption{e.options, m.scoped, opts} {
		for _, o := range all {
			if o != nil {
				o(d)
			}
		}
	}
	*env = *d
	drafts.Put(d)
	if env.Delivery > transport.AwaitNothing || (m.delivery == transport.AwaitReply) != (env.Delivery == transport.AwaitReply) {
		env.Delivery = m.delivery
	}
	m.name(env)
}
