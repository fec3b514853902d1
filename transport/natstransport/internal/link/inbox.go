// Inboxes: their names, and where replies may go

package link

import (
	"crypto/rand"
	"strings"

	"github.com/nats-io/nats.go"
)

// inbox is that of a link: replies come there, however often the link moves.
type inbox struct {
	Inbox       string // without the last token
	InboxPrefix string // of the connection's inboxes
	self        string // to which the end asks itself
}

// NewInbox returns an inbox that cannot be guessed. nats.go counts from one inbox to the next, so one inbox of a process tells
// those beside it. Clients may learn the inbox for questions about turns.
func NewInbox(nc *nats.Conn) string {
	counted := nc.NewInbox()
	return counted[:strings.LastIndexByte(counted, '.')+1] + rand.Text()[:inboxToken]
}

func (in *inbox) begin(nc *nats.Conn) {
	in.Inbox = NewInbox(nc)
	in.self = in.Inbox + ".self"
	in.InboxPrefix = in.Inbox[:len(in.Inbox)-inboxToken]
}

const (
	// inboxToken is how many characters of five random bits end an inbox. nats.go's have as many.
	inboxToken = 22
	// maxReply is how long a reply subject may be: each call holds its own.
	maxReply = 256
	// MaxInboxPrefix is what that leaves for the prefix of a connection's inboxes: behind
	// it come a token, a dot, an id and two numbers.
	MaxInboxPrefix = maxReply - inboxToken - 1 - 13 - 2*4
)

// IsInbox reports whether a reply may be sent to the subject. The server would refuse text that is
// not a subject, with a line of the log for each reply.
func (in *inbox) IsInbox(reply string) bool {
	if len(reply) > maxReply || !strings.HasPrefix(reply, nats.InboxPrefix) && !strings.HasPrefix(reply, in.InboxPrefix) {
		return false
	}
	for token := range strings.SplitSeq(reply, ".") {
		if token == "" || token == "*" || token == ">" || strings.ContainsAny(token, " \t\r\n") {
			return false
		}
	}
	return true
}
