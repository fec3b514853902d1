// IDs of commands, and how old a command is

package transport

import (
	"crypto/rand"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

// WithID gives a message an ID that the sender chooses, for example an order's number. The message
// is then a command. A key whose state is durable carries out the messages with one ID only once,
// and answers repeats with the reply of the first. So the client also tries again
// a message that may have run. An ID belongs to its key: other keys do not know it. It is 1 to
// 256 bytes of UTF-8.
func WithID(id string) EnvelopeOption {
	return func(e *Envelope) { e.ID, e.unnamed = id, id == "" }
}

// Once is [WithID] with an ID that no other call has. It does nothing if the call has an ID. It makes
// the client's own tries safe. If the caller or another process may try again, choose
// an ID with WithID.
func Once() EnvelopeOption {
	return func(e *Envelope) {
		if e.ID == "" {
			e.ID = rand.Text()
		}
	}
}

// Age is how long ago the first try of the command was, as far as is known. Time on the network
// does not count.
func (e Envelope) Age() time.Duration {
	age := time.Duration(min(max(0, e.AgeMs), expiry.Forever.Milliseconds())) * time.Millisecond
	if e.stamped() {
		age += time.Duration(max(0, expiry.Now()-e.born))
	}
	return age
}
