// Package codec names messages and turns them into bytes and back: protobuf for
// proto.Message, JSON for everything else. Both ends of a request use it, so
// that they agree. The tests are in codec_test.go.
package codec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"google.golang.org/protobuf/proto"
)

// Namer is implemented by messages that name themselves.
type Namer interface{ MessageType() string }

// Name returns the wire name of v's type: what its MessageType method says,
// the full name of a protobuf message, or the bare name of the Go type, which
// stays the same when the type moves to another package. It returns an error
// for a type without a name.
func Name(v any) (string, error) {
	switch m := v.(type) {
	case nil:
		return "", fmt.Errorf("a nil payload has no message type")
	case Namer:
		if isNil(v) {
			return nameOf(reflect.TypeOf(v))
		}
		return m.MessageType(), nil
	}
	return nameOf(reflect.TypeOf(v))
}

// NameOf is Name for a type.
func NameOf(t reflect.Type) (string, error) { return nameOf(t) }

// names caches what reflection finds; it holds one entry a type.
var names sync.Map // reflect.Type -> string

func nameOf(t reflect.Type) (string, error) {
	if name, ok := names.Load(t); ok {
		return name.(string), nil
	}
	name := reflectName(t)
	if name == "" {
		return "", fmt.Errorf("type %v has no name: give it a MessageType method, or send bytes with an explicit type", t)
	}
	names.Store(t, name)
	return name, nil
}

func reflectName(t reflect.Type) string {
	v := reflect.New(t) // *t has the methods of t as well
	if t.Kind() == reflect.Pointer {
		v = reflect.New(t.Elem())
	}
	switch m := v.Interface().(type) {
	case Namer:
		return m.MessageType()
	case proto.Message:
		return string(m.ProtoReflect().Descriptor().FullName())
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// Marshal encodes v. The result belongs to the caller.
func Marshal(v any) ([]byte, error) {
	if m, ok := v.(proto.Message); ok {
		return proto.Marshal(m)
	}
	return json.Marshal(v)
}

// Unmarshal decodes data into a new T. T may be a struct, a pointer to one or
// any other type that JSON knows; a protobuf message is given as its pointer
// type or as the struct that it points to.
func Unmarshal[T any](data []byte) (T, error) {
	var v T
	target := any(&v)
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		elem := reflect.New(t.Elem())
		v = elem.Interface().(T)
		target = elem.Interface()
	}
	return v, UnmarshalInto(data, target)
}

// UnmarshalNew is Unmarshal for callers that want a pointer: a protobuf message
// is not copied.
func UnmarshalNew[T any](data []byte) (*T, error) {
	if reflect.TypeFor[T]().Kind() == reflect.Pointer {
		v, err := Unmarshal[T](data)
		return &v, err
	}
	v := new(T)
	return v, UnmarshalInto(data, v)
}

// UnmarshalInto decodes data into what target points to.
func UnmarshalInto(data []byte, target any) error {
	if m, ok := target.(proto.Message); ok {
		return proto.Unmarshal(data, m)
	}
	return json.Unmarshal(data, target)
}
