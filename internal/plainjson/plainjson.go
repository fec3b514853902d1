// Type: what is encoded and decoded here, and the way in

// Package plainjson encodes and decodes the JSON of plain messages, in a third of the time that general packages take. It
// gives exactly what encoding/json gives, or nothing. Then the caller asks encoding/json.
//
// It takes types that hold booleans, numbers, strings, bytes, times, structs, pointers, slices and maps of strings, and no code of their own.
// It encodes values whose texts need no escapes. It decodes the form that it writes: the fields in their order, some of
// them left out, and no blanks.
//
//	t := plainjson.Of(reflect.TypeFor[Deposit]())           // nil: encoding/json
//	data, ok := t.Append(nil, reflect.ValueOf(deposit))      // false: encoding/json
//	ok = t.Decode(data, reflect.ValueOf(&fresh).Elem())      // false: encoding/json, into another fresh value
//
// The tests compare it with encoding/json, for types and values that are made at random, and for texts that a fuzzer finds.
package plainjson

import "reflect"

// Type is a type that is encoded and decoded here.
type Type struct{ ops *ops }

// Of returns what is known of a type; nil if encoding/json must do all of its work. It looks at all that values of the
// type hold, so callers keep the result. A pointer type is not known, but what it points to may be.
func Of(t reflect.Type) *Type {
	if t.Kind() == reflect.Pointer {
		return nil
	}
	b := builder{made: map[reflect.Type]*ops{}}
	made := b.of(t)
	if b.refused {
		return nil
	}
	return &Type{made}
}

// Append appends a value of the type, or what a pointer to one points to. It returns false if encoding/json must write the value, or say what
// is wrong with it.
func (t *Type) Append(b []byte, v reflect.Value) (data []byte, ok bool) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return b, false
		}
		v = v.Elem()
	}
	return t.ops.write(b, v, 0)
}

// Decode reads data into a zero value of the type, which can be set. If it returns false, encoding/json must
// read the data, and v may be half filled.
func (t *Type) Decode(data []byte, v reflect.Value) (ok bool) {
	r := reader{data: data}
	return t.ops.read(&r, v, 0) && r.at == len(data)
}
