// Of: how protobuf messages of a type are copied

// Package protocopy copies protobuf messages that stay in their process. A copy is exactly what decoding would read
// from what encoding has written. If that is not sure, the message is refused, and its caller encodes it. A copy
// shares strings with its message, because a string does not change, and nothing else.
//
// Messages of generated types are copied field by field, by funcs that are made once for each type, from its
// descriptor and its Go struct. These must agree. All other types are copied by [proto.Clone], if
// it makes messages of their type.
//
// The tests compare the copies with decoded messages, for types of all kinds and values made at random.
package protocopy

import (
	"reflect"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Func copies the message that p points to. size is the length of the copy's encoding. It is negative for a message that
// must be encoded. If to is not nil, the Func may copy to the zero message that it points to.
type Func func(to, p any) (copied any, size int)

// Of returns the func for messages of a struct type; nil for a type whose messages are always encoded. into says whether
// the func copies to a zero message that it is given.
func Of(t reflect.Type) (f Func, into bool) {
	m, ok := reflect.New(t).Interface().(proto.Message)
	if !ok {
		return nil, false
	}
	r := m.ProtoReflect()
	if reflect.TypeOf(r.New().Interface()) != reflect.PointerTo(t) { // it shows another type's message, and a clone is one of those
		return nil, false
	}
	looks, d := map[protoreflect.FullName]*protoLook{}, r.Descriptor()
	if !looksAt(d, looks) {
		return nil, false
	}
	if how := generated(t); how != nil {
		return how.copied, true
	}
	return looks[d.FullName()].cloned, false
}

// Generated reports whether a struct type, and all that its messages hold, are as protoc-gen-go makes them: package proto decodes
// them, and no code of their own does.
func Generated(t reflect.Type) bool { return generated(t) != nil }

// copied is the [Func] of a generated type.
func (m *message) copied(to, p any) (any, int) {
	if to == nil {
		to = reflect.New(m.of).Interface()
	}
	return to, m.fields(reflect.ValueOf(to).UnsafePointer(), reflect.ValueOf(p).UnsafePointer(), 0)
}

// op copies what src points to into dst. It returns how many bytes that takes when it is encoded, and refuse for what
// must be encoded. dst points to a zero value, or is src itself. Then src was assigned from a value that other code has too,
// and the op replaces what the two would share. deep is how many messages are around the value.
type op func(dst, src unsafe.Pointer, deep int) int

// refuse is the result of an op for a value that must be encoded.
const refuse = -1

// mostDeep bounds messages in each other. What is deeper may be a circle.
const mostDeep = 100
