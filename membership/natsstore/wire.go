// What is decoded from messages

package natsstore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/membership"
)

// Headers of JetStream and of its key-value buckets.
const (
	hdrExpected  = "Nats-Expected-Last-Subject-Sequence"
	hdrTTL       = "Nats-TTL"
	hdrOperation = "KV-Operation"
	hdrReason    = "Nats-Marker-Reason" // of a marker that the server has placed
	hdrSubject   = "Nats-Subject"
	hdrSequence  = "Nats-Sequence"
	hdrLast      = "Nats-Last-Sequence"
	hdrPending   = "Nats-Num-Pending"
	hdrUpTo      = "Nats-UpTo-Sequence"
	hdrStatus    = "Status"
	hdrText      = "Description"

	operationPurge = "PURGE"
)

// removed reports whether a message marks a record as removed.
func removed(h nats.Header) bool {
	op := h.Get(hdrOperation)
	return op == operationPurge || op == "DEL" || h.Get(hdrReason) != ""
}

// entry makes a version of a record. A removal has a nil value; an empty record has an
// empty one.
func entry(key string, rev uint64, value []byte, h nats.Header) membership.Entry {
	e := membership.Entry{Key: key, Rev: rev}
	if !removed(h) {
		e.Value = value
		if value == nil {
			e.Value = []byte{}
		}
	}
	return e
}

// decodeAck reads the answer to a write: the new revision, or an *apiError.
func decodeAck(data []byte) (uint64, error) {
	var a struct {
		Error *apiError `json:"error"`
		Seq   uint64    `json:"seq"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return 0, fmt.Errorf("unreadable acknowledgement: %w", err)
	}
	if a.Error != nil {
		return 0, a.Error
	}
	if a.Seq == 0 {
		return 0, fmt.Errorf("an acknowledgement without a sequence: %.100q", data)
	}
	return a.Seq, nil
}

// decodeStored reads what the stream's leader has stored under a subject. A record that
// does not exist has the revision 0. A removed record has its marker's revision, and no
// value.
func decodeStored(key string, data []byte) (membership.Entry, error) {
	var a struct {
		Error   *apiError `json:"error"`
		Message *struct {
			Seq    uint64 `json:"seq"`
			Header []byte `json:"hdrs"`
			Data   []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return membership.Entry{}, fmt.Errorf("unreadable answer: %w", err)
	}
	if a.Error != nil {
		if a.Error.ErrCode == codeNoMessage {
			return membership.Entry{Key: key}, nil
		}
		return membership.Entry{}, a.Error
	}
	m := a.Message
	if m == nil || m.Seq == 0 {
		return membership.Entry{}, fmt.Errorf("an answer without a message: %.100q", data)
	}
	var h nats.Header
	if len(m.Header) > 0 {
		var err error
		if h, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			return membership.Entry{}, fmt.Errorf("unreadable headers: %w", err)
		}
	}
	return entry(key, m.Seq, m.Data, h), nil
}

// decodeEvent reads what the servers publish of a write.
func decodeEvent(prefix string, m *nats.Msg) (membership.Entry, bool) {
	key, ok := strings.CutPrefix(m.Subject, prefix)
	rev := number(m.Header, hdrSequence)
	return entry(key, rev, m.Data, m.Header), ok && key != "" && key != ownKey && rev != 0
}

// batch follows the answer to one request for many records. Each message names the one
// before it, so a lost message is noticed.
type batch struct{ last uint64 }

// record reads one record.
func (b *batch) record(prefix string, m *nats.Msg) (membership.Entry, error) {
	key, ok := strings.CutPrefix(said(m.Header, hdrSubject), prefix)
	rev := number(m.Header, hdrSequence)
	if !ok || rev == 0 || number(m.Header, hdrLast) != b.last {
		return membership.Entry{}, fmt.Errorf("a message is missing before %q at %d", key, rev)
	}
	b.last = rev
	return entry(key, rev, m.Data, m.Header), nil
}

// end reads the message after the last record, and returns the sequence number that the
// answer is as of.
func (b *batch) end(m *nats.Msg) (asOf uint64, err error) {
	switch status, text := m.Header.Get(hdrStatus), m.Header.Get(hdrText); {
	case status == "204" && (number(m.Header, hdrLast) != b.last || number(m.Header, hdrPending) != 0):
		return 0, fmt.Errorf("a message is missing after %d", b.last)
	case status == "204":
		return number(m.Header, hdrUpTo), nil
	case status == "404" && b.last == 0 && text == "No Results":
		return 0, nil // not even the store's own: the replica is not there yet
	case status == "413":
		return 0, errTooMany
	case status == "503":
		return 0, nats.ErrNoResponders
	default:
		return 0, fmt.Errorf("JetStream: %s %s", status, text)
	}
}

// number reads a header. 0 means that there is none.
func number(h nats.Header, name string) uint64 {
	n, _ := strconv.ParseUint(said(h, name), 10, 64)
	return n
}

// said returns the value of a header that JetStream adds when it sends what is stored. The stored message may have such a
// header already, because a user may have an answer of JetStream's stored there. JetStream puts its own behind that, so the last
// one counts.
func said(h nats.Header, name string) string {
	if all := h[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}
