// A walk over the fields of a message

package wire

import "google.golang.org/protobuf/encoding/protowire"

// fields walks the fields of a protobuf message. It keeps its place as numbers, not as slices: while the garbage collector
// runs, to store a pointer costs more than to read a field.
type fields struct {
	data []byte
	at   int // where the next field begins

	number         protowire.Number
	kind           protowire.Type
	uint           uint64 // of a number
	from, to, last int    // of a string, bytes or message in data; where the field began
	bad            bool   // the data is no message
}

// next moves to the next field; false is the end, or bad.
func (f *fields) next() bool {
	if f.at == len(f.data) {
		return false
	}
	rest := f.data[f.at:]
	number, kind, n := protowire.ConsumeTag(rest)
	if n < 0 || !number.IsValid() {
		f.bad = true
		return false
	}
	f.number, f.kind = number, kind
	var m int
	switch kind {
	case protowire.VarintType:
		f.uint, m = protowire.ConsumeVarint(rest[n:])
	case protowire.Fixed64Type:
		f.uint, m = protowire.ConsumeFixed64(rest[n:])
	case protowire.BytesType:
		var b []byte
		b, m = protowire.ConsumeBytes(rest[n:])
		f.to = f.at + n + m
		f.from = f.to - len(b)
	default:
		m = protowire.ConsumeFieldValue(number, kind, rest[n:])
	}
	if m < 0 {
		f.bad = true
		return false
	}
	f.last, f.at = f.at, f.at+n+m
	return true
}

func (f *fields) is(number protowire.Number, kind protowire.Type) bool {
	return f.number == number && f.kind == kind
}

// bytes returns a field that is a string, bytes or a message.
func (f *fields) bytes() []byte { return f.data[f.from:f.to] }

// raw returns the whole field.
func (f *fields) raw() []byte { return f.data[f.last:f.at] }
