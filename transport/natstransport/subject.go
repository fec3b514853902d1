// Subjects of replies

package natstransport

import (
	"strconv"
	"strings"

	"github.com/clstr-go/clstr/internal/wire"
)

const (
	// maxReplySubject is how long a reply subject may be: each call holds its own.
	maxReplySubject = 256
	// maxInboxPrefix is what that leaves for the prefix of a connection's inboxes: behind
	// it come 22 characters, a dot, an id and two numbers.
	maxInboxPrefix = maxReplySubject - 22 - 1 - 13 - 2*4
)

// replySubject names the calls first to first+n-1 under the inbox, so that an
// answer of the server, which has no payload, tells its calls. If some of
// them await nothing, the subject says how many, because nothing else remembers those.
func replySubject(inbox string, first uint64, n, unacked int) string {
	var room [96]byte
	b := append(room[:0], inbox...)
	b = append(b, '.')
	b = strconv.AppendUint(b, first, 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(n), 36)
	if unacked > 0 {
		b = append(b, '-')
		b = strconv.AppendInt(b, int64(unacked), 36)
	}
	return string(b)
}

// addressed is what a reply subject names.
type addressed struct {
	inbox      string
	first      uint64
	n, unacked int
}

// parseReplySubject undoes replySubject. For a subject of another form it
// returns the inbox only. A subject names at most wire.MaxItems calls, as many as a packet has:
// a few bytes must not cost the reader any number of look-ups.
func parseReplySubject(subject string) addressed {
	dot := strings.LastIndexByte(subject, '.')
	if dot < 0 {
		return addressed{inbox: subject}
	}
	from, count, found := strings.Cut(subject[dot+1:], "-")
	if !found {
		return addressed{inbox: subject}
	}
	count, unacked, some := strings.Cut(count, "-")
	first, err := strconv.ParseUint(from, 36, 64)
	many, err1 := strconv.ParseUint(count, 36, 16)
	notes, err2 := uint64(0), error(nil)
	if some {
		notes, err2 = strconv.ParseUint(unacked, 36, 16)
	}
	if err != nil || err1 != nil || err2 != nil || notes > many || many > wire.MaxItems {
		return addressed{inbox: subject}
	}
	return addressed{inbox: subject[:dot], first: first, n: int(many), unacked: int(notes)}
}
