// IDs of commands, and how old a command is

package transport

import (
	"crypto/rand"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

// WithID names the command that the message is, with an ID that the sender chooses: an
// order's number, say. A key whose state is durable carries out the messages of one ID once,
// and answers what comes again with the reply of the first. So the client also tries again
// what may have run. The ID is the key's: other keys know nothing of it. It is 1 to
// [MaxIDBytes] bytes of UTF-8.
func WithID(id string) EnvelopeOption {
	return func(e *Envelope) { e.ID, e.unnamed = id, id == "" }
}

// Once is [WithID] with an ID that no other call has, unless the call has one. It makes the
// client's own tries safe. For tries of the caller's, and those of another process, choose
// an ID.
func Once() EnvelopeOption {
	return func(e *Envelope) {
		if e.ID == "" {
			e.ID = rand.Text()
		}
	}
}

// Age is how long ago the first try of the command was, as far as is known: what a network
// takes does not count.
func (e Envelope) Age() time.Duration {
	age := time.Duration(min(max(0, e.AgeMs), expiry.Forever.Milliseconds())) * time.Millisecond
	if e.stamped() {
		age += time.Duration(max(0, expiry.Now()-e.born))
	}
	return age
}
