// Subjects of replies

package wire

import (
	"strconv"
	"strings"
)

// ReplySubject names the calls first to first+n-1 under the inbox, so that an
// answer of the server, which has no payload, tells its calls. If some of
// them await nothing, the subject says how many, because nothing else remembers those.
func ReplySubject(inbox string, first uint64, n, unacked int) string {
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

// Addressed is what a reply subject names.
type Addressed struct {
	Inbox      string
	First      uint64
	N, Unacked int // calls, and those of them that await nothing
}

// ParseReplySubject undoes ReplySubject. For a subject of another form it
// returns the inbox only. A subject names at most MaxItems calls, as many as a packet has:
// a few bytes must not cost the reader any number of look-ups.
func ParseReplySubject(subject string) Addressed {
	dot := strings.LastIndexByte(subject, '.')
	if dot < 0 {
		return Addressed{Inbox: subject}
	}
	from, count, found := strings.Cut(subject[dot+1:], "-")
	if !found {
		return Addressed{Inbox: subject}
	}
	count, unacked, some := strings.Cut(count, "-")
	first, err := strconv.ParseUint(from, 36, 64)
	many, err1 := strconv.ParseUint(count, 36, 16)
	notes, err2 := uint64(0), error(nil)
	if some {
		notes, err2 = strconv.ParseUint(unacked, 36, 16)
	}
	if err != nil || err1 != nil || err2 != nil || notes > many || many > MaxItems {
		return Addressed{Inbox: subject}
	}
	return Addressed{Inbox: subject[:dot], First: first, N: int(many), Unacked: int(notes)}
}
