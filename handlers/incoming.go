// Incoming: a message as an Around sees it

package handlers

import "github.com/clstr-go/clstr/internal/hosting"

// Incoming is a message that is about to be handled, as an [Around] sees it. It may be
// kept, and stays valid. All methods are safe for concurrent use.
type Incoming hosting.Incoming

func incoming(in *hosting.Incoming) *Incoming { return (*Incoming)(in) }

func (in *Incoming) hosted() *hosting.Incoming { return (*hosting.Incoming)(in) }

// Type returns the message's type.
func (in *Incoming) Type() string { return in.hosted().Call().Envelope().Type }

// Kind returns the kind that the message is for; empty for a handler without one.
func (in *Incoming) Kind() string { return in.hosted().Call().Envelope().Kind }

// Key returns the key that the message is for; empty if it is sent to a shard.
func (in *Incoming) Key() string { return in.hosted().Call().Key() }

// ID returns the message's ID, empty if it has none. All tries of one command have the same.
func (in *Incoming) ID() string { return in.hosted().Call().Envelope().ID }

// Shard returns the key's shard.
func (in *Incoming) Shard() uint32 { return uint32(in.hosted().Call().Envelope().Shard) }

// Header returns a header of the message.
func (in *Incoming) Header(name string) (value string, ok bool) {
	value, ok = in.hosted().Call().Envelope().Headers[name]
	return value, ok
}

// Codec names how Data and the reply are encoded, unless they are protobuf messages; empty for JSON.
func (in *Incoming) Codec() string { return in.hosted().Call().Envelope().Codec }

// Data returns the message's bytes. They must not be changed.
func (in *Incoming) Data() []byte { return in.hosted().Call().Data() }

// AwaitsReply is false for a notification: the sender is not told how it is handled.
func (in *Incoming) AwaitsReply() bool { return in.hosted().Call().AwaitsReply() }

// Reply returns the reply, once next has returned. It returns false if there is none: the
// message has failed, or the handler answers later. The bytes must not be changed.
func (in *Incoming) Reply() (data []byte, ok bool) { return in.hosted().Reply() }

// SetReply answers in the handler's place, with or without a call of next, if Around
// returns nil. The bytes are given away: they travel as they are.
func (in *Incoming) SetReply(data []byte) { in.hosted().SetReply(data) }

// OnAnswer has f called when the message is done: when its sender is answered, even if that
// is long after the turn, or when a notification was handled. If the message is done
// already, f is called at once. err is nil for a reply. Otherwise it is the error that the
// sender gets. f must not block. A panic of f is logged and has no other effect.
func (in *Incoming) OnAnswer(f func(err error)) { in.hosted().OnAnswer(f) }
