// What a message carries: bytes, or a Go value for a receiver in this process

package cluster

import (
	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/transport"
)

// parcel is a message before it has an envelope.
type parcel struct {
	typ   string
	codec string // of data and of the reply
	data  []byte
	room  *codec.Room // that data are in until the call is over; nil if they are in none
	value plain.Value // in place of data
	lends bool        // nothing of the reply's bytes is kept
	want  *plain.Type // of a reply that the caller takes as a value; nil if it takes bytes
}

// packed names a message, and copies or encodes it. Its error is that of a call that was not sent.
func packed[M any](c *ScopedClient, payload M, d transport.Delivery) (parcel, error) {
	if !c.carries() {
		return encoded(c, payload, d)
	}
	p, err := codec.Pack(payload)
	if err != nil {
		return parcel{}, c.unsent(p.Name, d, unsendable(payload, err))
	}
	return parcel{typ: p.Name, codec: p.Codec, data: p.Data, value: p.Value}, nil
}

// encoded is packed for a message that always goes as bytes.
func encoded(c *ScopedClient, payload any, d transport.Delivery) (parcel, error) {
	encode, by := codec.EncodeInRoom, c.client.caller
	if by.keeps {
		encode = codec.Encode
	}
	p, err := encode(by.codec, payload)
	if err != nil {
		return parcel{}, c.unsent(p.Name, d, unsendable(payload, err))
	}
	return parcel{typ: p.Name, codec: p.Codec, data: p.Data, room: p.Room}, nil
}

// raw is a message that is encoded already.
func (c *Client) raw(msgType string, data []byte) parcel {
	return parcel{typ: msgType, codec: c.caller.codec, data: data}
}
