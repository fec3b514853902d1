// Subjects of what is stored, and back

package natsstate

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/state"
)

// names are those of a cluster's streams and subjects. Subjects end with a dot.
type names struct {
	stateStream, inboxStream string
	data, inbox              string
	dataSeen, inboxSeen      string // where the servers publish what is stored
	answers                  string // the inboxes of these connections
}

func namesOf(prefix string) names {
	if prefix == "" {
		prefix = natsdial.DefaultPrefix
	}
	// The prefixes a.b and a_b have the same stream names. The second cluster finds the first one's subjects.
	stream := strings.ReplaceAll(prefix, ".", "_")
	return names{
		stateStream: stream + "_state", inboxStream: stream + "_inbox",
		data: prefix + ".d.", inbox: prefix + ".in.",
		dataSeen: prefix + ".dv.", inboxSeen: prefix + ".inv.",
		answers: prefix + ".sti",
	}
}

// letters are the places of the first stream.
var letters = [state.Places]string{
	state.Records: "k", state.Events: "e", state.Mails: "m", state.Inbox: "",
	state.Reminders: "r", state.Parked: "p", state.Spilled: "i",
}

func (n names) stream(p state.Place) string {
	if p == state.Inbox {
		return n.inboxStream
	}
	return n.stateStream
}

func (n names) signature() string { return n.data + "own" }

func (n names) fence(shard uint32) string { return n.data + "f." + number(shard) }

func number(shard uint32) string { return strconv.FormatUint(uint64(shard), 10) }

// tail is a subject without what stands before the place.
func tail(p state.Place, shard uint32, rest string) string {
	s := number(shard) + "." + rest
	if p != state.Inbox {
		s = letters[p] + "." + s
	}
	return s
}

func (n names) subject(p state.Place, tail string) string {
	if p == state.Inbox {
		return n.inbox + tail
	}
	return n.data + tail
}

// of is the subject of a range.
func (n names) of(r state.Range) string { return n.subject(r.Place, tailOf(r)) }

func tailOf(r state.Range) string {
	if r.Of() {
		return tail(r.Place, r.Shard, token(r.Kind)+"."+token(r.Key))
	}
	return tail(r.Place, r.Shard, ">")
}

// maxToken keeps subjects far below NATS's bound.
const maxToken = 128

// token makes a token of any bytes.
func token(s string) string {
	if len(s) <= maxToken && natsdial.Plain(s) {
		return s
	}
	if encoded := "=" + base64.RawURLEncoding.EncodeToString([]byte(s)); len(encoded) <= maxToken {
		return encoded
	}
	hash := sha256.Sum256([]byte(s))
	return "==" + base64.RawURLEncoding.EncodeToString(hash[:])
}

// The headers of clstr: the head of an entry, and names whose tokens are hashes.
const (
	hdrHead = "Clstr"
	hdrKind = "Clstr-Kind"
	hdrKey  = "Clstr-Key"
)

// setNames adds the names that the subject does not tell.
func setNames(h nats.Header, kind, key string) {
	for _, n := range [...]struct{ header, name string }{{hdrKind, kind}, {hdrKey, key}} {
		if strings.HasPrefix(token(n.name), "==") {
			h[n.header] = []string{base64.RawURLEncoding.EncodeToString([]byte(n.name))}
		}
	}
}

// untoken is the inverse of token.
func untoken(tok string, h nats.Header, name string) (string, error) {
	text, encoded := strings.CutPrefix(tok, "=")
	switch {
	case !encoded:
		return tok, nil
	case strings.HasPrefix(text, "="): // hashed
		text = h.Get(name)
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && token(string(b)) != tok {
		err = fmt.Errorf("%q is not the token of %.100q", tok, b)
	}
	return string(b), err
}

// parse reads the tail of a subject: place, shard, kind and key.
func parse(inbox bool, tail string, h nats.Header) (e state.Entry, err error) {
	tokens := strings.Split(tail, ".")
	if inbox {
		e.Place = state.Inbox
	} else {
		e.Place = state.Places
		for p, letter := range letters {
			if letter != "" && letter == tokens[0] {
				e.Place = state.Place(p)
			}
		}
		tokens = tokens[1:]
	}
	if e.Place == state.Places || len(tokens) != 3 {
		return e, fmt.Errorf("%q is no subject of state", tail)
	}
	shard, err := strconv.ParseUint(tokens[0], 10, 32)
	if err != nil {
		return e, err
	}
	e.Shard = uint32(shard)
	if e.Kind, err = untoken(tokens[1], h, hdrKind); err != nil {
		return e, err
	}
	e.Key, err = untoken(tokens[2], h, hdrKey)
	return e, err
}
