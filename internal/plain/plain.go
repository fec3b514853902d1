// Type: what can be handed over as it is

// Package plain copies messages as Go values, so that a message that stays in its process need not be encoded
// and decoded, if no code can see the difference. A copy is exactly what encoding/json would read from what it
// has written. A type is plain if that is known of all its values: it has no code of its own that takes
// part, and no interface. Copies share strings, because a string does not change, and nothing else.
//
//	t := plain.Of(reflect.TypeFor[Deposit]())         // nil: encode it
//	v, ok := plain.Copy(t, deposit)                    // false: encode this one
//	got := plain.Out[Deposit](&v)                      // shares only strings with deposit, and with v
//
// The tests compare both ways, for types and values that are made at random.
package plain

import (
	"encoding/json"
	"math"
	"reflect"
	"sync"
	"unsafe"
)

// Type is a plain type. It is never a pointer type: a message and a pointer to it are the
// same message.
type Type struct {
	of   reflect.Type
	copy op
	flat bool // an assignment is a copy: no pointer, slice or map is in it
	asIs any  // nil pointer to a flat type whose values JSON gives back as they are; nil for other types

	// Of a type that is copied by others; nil for all others.
	clone func(to, p any) (copied any, size int)
	bytes func(p any) ([]byte, error)

	boxes [2]boxes // by use
	reuse bool     // a zero value is all that a copy needs, and takes memory
}

// types holds one entry for each type: nil for one that is not plain.
var types sync.Map // reflect.Type -> *Type

// Of returns what is known of a type or of the type that it points to; nil if that is not plain.
func Of(t reflect.Type) *Type {
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if known, ok := types.Load(t); ok {
		return known.(*Type)
	}
	known, _ := types.LoadOrStore(t, look(t))
	return known.(*Type)
}

// look is the first look at a type.
func look(t reflect.Type) *Type {
	if t.Kind() == reflect.Pointer { // to a pointer: JSON has one null for both
		return nil
	}
	b := builder{made: map[reflect.Type]*made{}}
	m := b.of(t)
	if b.refused {
		return nil
	}
	made := &Type{of: t, reuse: t.Size() > 0, copy: m.copy, flat: !b.shares}
	if made.flat && !b.alters {
		made.asIs = reflect.Zero(reflect.PointerTo(t)).Interface()
	}
	return made
}

// By makes a type whose values the given funcs copy and encode. Both get a pointer to a
// value, and clone returns one. A negative size says that this value must be encoded. If into is true, clone copies into the
// zero value that to points to, if that is not nil.
func By(of reflect.Type, into bool, clone func(to, p any) (copied any, size int), encode func(p any) ([]byte, error)) *Type {
	return &Type{of: of, reuse: into, clone: clone, bytes: encode}
}

// copied makes a Value of what p points to, in the box if that is not nil.
func (t *Type) copied(box, p any) (v Value, ok bool) {
	if t.clone != nil {
		c, size := t.clone(box, p)
		return t.value(c, size)
	}
	if box == nil {
		box = reflect.New(t.of).Interface()
	}
	return t.value(box, t.copy(reflect.ValueOf(box).UnsafePointer(), reflect.ValueOf(p).UnsafePointer(), 0))
}

// own makes a Value of an assignment of a message, in its place.
func (t *Type) own(p any, at unsafe.Pointer) (v Value, ok bool) {
	if t.clone != nil {
		return t.copied(nil, p)
	}
	return t.value(p, t.copy(at, at, 0))
}

// value makes a Value of a copy of a message. A message that is larger than any limit is for the encoder.
func (t *Type) value(p any, size int) (v Value, ok bool) {
	if size < 0 || size > math.MaxInt32 {
		return Value{}, false
	}
	return Value{of: t, p: p, size: int32(size)}, true
}

// encode encodes what p points to. It cannot fail, because a value that does not encode is not copied.
func (t *Type) encode(p any) []byte {
	encode := json.Marshal
	if t.bytes != nil {
		encode = t.bytes
	}
	data, err := encode(p)
	if err != nil {
		panic("clstr: a message that was copied cannot be encoded: " + err.Error())
	}
	return data
}
