// What JetStream says of a stored message, and what others have put there

package natsstate

import (
	"bytes"

	"github.com/nats-io/nats.go"
)

// said returns the value of a header that JetStream adds when it sends what is stored. The stored message may have such a
// header already. JetStream puts its own behind that, so the last one counts.
func said(h nats.Header, name string) string {
	if all := h[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// isAnswer reports whether a stored message is an answer of JetStream's. NATS checks where a user publishes, and not where
// the answer goes. So each user that may ask JetStream can have the answer stored in the place of what nodes have written.
func isAnswer(m *nats.Msg) bool {
	return len(m.Header[hdrSubject]) > 1 || len(m.Data) == 0 || bytes.HasPrefix(m.Data, []byte(`{"type":"io.nats.jetstream.`))
}
