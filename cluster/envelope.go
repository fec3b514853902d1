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
	reply        plain.Value      // of a call that has succeeded; none for a reply of bytes
	scoped, opts []EnvelopeOption // of the ScopedClient, and of the call
	command                       // that the message is

	first bool // no notification in the window is before it
	shown bool // the client's Intercept has it
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
}

// newEnvelope is the only birthplace of an envelope. Options come first, so that
// they cannot change where the message goes. shard is that of the message under by.
func (e *envelopes) newEnvelope(env *Envelope, m *message, shard uint32, by *mapping) error {
	if len(e.options)+len(m.scoped)+len(m.opts) == 0 {
		*env = Envelope{Delivery: m.delivery}
	} else {
		e.draft(env, m)
	}
	env.Shard, env.Kind, env.Key, env.Type, env.Codec, env.Data, env.ReplyTo = int(shard), m.to.kind, m.to.key, m.typ, m.codec, m.data, ""
	env.Stamp()
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
func (e *envelopes) draft(env *Envelope, m *message) {
	d := drafts.Get().(*Envelope)
	*d = Envelope{Delivery: m.delivery}
	for _, opts := range [...][]EnvelopeOption{e.options, m.scoped, m.opts} {
		for _, o := range opts {
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
