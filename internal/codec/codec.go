// Package codec names messages and turns them into bytes and back: protobuf for
// proto.Message, JSON for everything else. Both ends of a request use it, so
// that they agree. The tests are in codec_test.go.
package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
)

// Namer is implemented by messages that name themselves.
type Namer interface{ MessageType() string }

// Name returns the wire name of v's type: what its MessageType method says,
// the full name of a protobuf message, or the bare name of the Go type, which
// stays the same when the type moves to another package. It returns an error
// for a type without a name, and for a nil pointer: the other end would take it
// for a message whose fields are all zero.
func Name(v any) (string, error) {
	if v == nil {
		return "", errors.New("a nil payload has no message type")
	}
	if isNil(v) {
		return "", errors.New("a nil pointer is no message")
	}
	switch m := v.(type) {
	case Namer:
		if name := m.MessageType(); name != "" {
			return name, nil
		}
		return "", fmt.Errorf("the MessageType of a %T is empty", v)
	case proto.Message: // a dynamic one has its own descriptor
		return string(m.ProtoReflect().Descriptor().FullName()), nil
	}
	return NameOf(reflect.TypeOf(v))
}

// NameOf is Name for a type.
func NameOf(t reflect.Type) (string, error) {
	if i := infoOf(t); i.name != "" {
		return i.name, nil
	}
	return "", fmt.Errorf("type %v has no name: give it a MessageType method, or send bytes with an explicit type", t)
}

// info is what reflection finds out about a type.
type info struct {
	name  string // "" if it has none
	proto bool   // a pointer to it is a protobuf message
}

// infos holds one entry a type.
var infos sync.Map // reflect.Type -> *info

func infoOf(t reflect.Type) *info {
	if i, ok := infos.Load(t); ok {
		return i.(*info)
	}
	i := &info{name: reflectName(t)}
	_, i.proto = reflect.New(t).Interface().(proto.Message)
	infos.Store(t, i)
	return i
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
	return bare(t.Name())
}

// bare drops the import paths from the type arguments in a generic type's name,
// the only place where a type's name has them.
func bare(name string) string {
	var b strings.Builder
	word := 0
	for i := 0; i <= len(name); i++ {
		if i == len(name) || strings.IndexByte("[](){}<*,; ", name[i]) >= 0 {
			b.WriteString(name[word+strings.LastIndexByte(name[word:i], '.')+1 : i])
			if i < len(name) {
				b.WriteByte(name[i])
			}
			word = i + 1
		}
	}
	return b.String()
}

func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// Marshal encodes v. The result belongs to the caller. Where v's own code panics
// (MarshalJSON, MarshalText) the error is a [*Panic].
func Marshal(v any) (_ []byte, err error) {
	defer caught("encoding", &err)
	if m, ok := v.(proto.Message); ok {
		return proto.Marshal(m)
	}
	if m := addressed(v); m != nil {
		return proto.Marshal(m)
	}
	return json.Marshal(v)
}

// addressed returns a message for the struct of a protobuf message: only the
// pointer to it is one, and the other end unmarshals it as one.
func addressed(v any) proto.Message {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Struct || !infoOf(t).proto {
		return nil
	}
	p := reflect.New(t)
	p.Elem().Set(reflect.ValueOf(v))
	return p.Interface().(proto.Message)
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

// UnmarshalInto decodes data into what target points to. Where that one's own code
// panics (UnmarshalJSON, UnmarshalText) the error is a [*Panic].
func UnmarshalInto(data []byte, target any) (err error) {
	defer caught("decoding", &err)
	if m, ok := target.(proto.Message); ok {
		return proto.Unmarshal(data, m)
	}
	if err := json.Unmarshal(data, target); err != nil {
		return &jsonError{err}
	}
	return nil
}

// jsonError says what is wrong with bytes without a piece of them: an error is
// logged, a payload is not. Protobuf's errors have none.
type jsonError struct{ err error }

// Error implements error.
func (e *jsonError) Error() string {
	if e, ok := errors.AsType[*json.SyntaxError](e.err); ok {
		return fmt.Sprintf("no JSON at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		return fmt.Sprintf("field %q is no %v (byte %d)", e.Field, e.Type, e.Offset)
	}
	return fmt.Sprintf("a field's own decoding failed with a %T", e.err)
}

// Unwrap returns what encoding/json has said.
func (e *jsonError) Unwrap() error { return e.err }
