// Memory that messages are encoded into, and that is used again

package codec

import (
	"bytes"
	"encoding/json"
	"sync"

	"google.golang.org/protobuf/proto"
)

// Room is memory that a message is encoded into. A nil room makes memory for each message.
type Room struct {
	text bytes.Buffer
	to   *json.Encoder // text
}

var rooms = sync.Pool{New: func() any {
	r := new(Room)
	r.to = json.NewEncoder(&r.text)
	return r
}}

func newRoom() *Room { return rooms.Get().(*Room) }

// mostRoom is how many bytes a room that is used again may have.
const mostRoom = 64 << 10

// Free gives the room back: nothing may use the message's bytes afterwards.
func (r *Room) Free() {
	if r != nil && r.text.Cap() <= mostRoom {
		r.text.Reset()
		rooms.Put(r)
	}
}

// json is json.Marshal.
func (r *Room) json(v any) ([]byte, error) {
	if r == nil {
		return json.Marshal(v)
	}
	if err := r.to.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(r.text.Bytes(), []byte("\n")), nil
}

// protobuf encodes a message, always to the same bytes.
func (r *Room) protobuf(m proto.Message) ([]byte, error) {
	options := proto.MarshalOptions{Deterministic: true}
	if r == nil {
		return options.Marshal(m)
	}
	r.text.Grow(options.Size(m))
	return options.MarshalAppend(r.text.AvailableBuffer(), m)
}
