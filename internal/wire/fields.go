// A walk over the fields of a message

package wire

import "google.golang.org/protobuf/encoding/protowire"

// fields walks the fields of a protobuf message.
type fields struct {
	data []byte // what is left

	number protowire.Number
	kind   protowire.Type
	uint   uint64 // of a number
	bytes  []byte // of a string, bytes or message
	raw    []byte // the whole field
	bad    bool   // the data is no message
}

// next moves to the next field; false is the end, or bad.
func (f *fields) next() bool {
	if len(f.data) == 0 {
		return false
	}
	number, kind, n := protowire.ConsumeTag(f.data)
	if n < 0 || !number.IsValid() {
		f.bad = true
		return false
	}
	f.number, f.kind = number, kind
	var m int
	switch kind {
	case protowire.VarintType:
		f.uint, m = protowire.ConsumeVarint(f.data[n:])
	case protowire.Fixed64Type:
		f.uint, m = protowire.ConsumeFixed64(f.data[n:])
	case protowire.BytesType:
		f.bytes, m = protowire.ConsumeBytes(f.data[n:])
	default:
		m = protowire.ConsumeFieldValue(number, kind, f.data[n:])
	}
	if m < 0 {
		f.bad = true
		return false
	}
	f.raw, f.data = f.data[:n+m], f.data[n+m:]
	return true
}

func (f *fields) is(number protowire.Number, kind protowire.Type) bool {
	return f.number == number && f.kind == kind
}
