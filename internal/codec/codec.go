// Names of messages; protobuf, JSON, or another codec

// Package codec names messages and turns them into bytes and back: protobuf for
// proto.Message, and for everything else JSON, or the codec that the envelope names ([Codec]). Both
// ends of a request use it, so that they agree. The tests are in codec_test.go.
package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/lossless"
)

// Namer is implemented by messages that name themselves.
type Namer interface{ MessageType() string }

// Encode names and encodes a message that is to be sent. as is the codec for types that choose none. It returns an
// [*Invalid] if the message must not be sent, because its type would lose a part of itself on the way, or its
// own Validate method refuses it. The name is returned as soon as it is known, even with an error.
func Encode(as string, v any) (Packed, error) { return pack(as, v, false, false) }

// EncodeInRoom is Encode for a caller that frees the room of the result when it does not need the bytes any more.
func EncodeInRoom(as string, v any) (Packed, error) { return pack(as, v, false, true) }

// opened is Encode without the encoding.
func opened(v any) (name string, i *info, err error) {
	if err := notNil(v); err != nil {
		return "", nil, err
	}
	i = infoOf(reflect.TypeOf(v))
	if i.fault != nil {
		return "", nil, i.fault
	}
	if name, err = nameOf(v, i); err != nil {
		return "", nil, err
	}
	if i.validates != no {
		err = validate(v, i)
	}
	return name, i, err
}

// notNil refuses a nil pointer, because the other end would take it for a message whose fields are
// all zero.
func notNil(v any) error {
	if v == nil {
		return errors.New("a nil payload has no message type")
	}
	if isNil(v) {
		return errors.New("a nil pointer is no message")
	}
	return nil
}

// nameOf is the name under which v travels: the result of its MessageType method, the full name of a
// protobuf message, or the bare name of the Go type, which stays the same when the type moves to
// another package. A type without any of them is an error.
func nameOf(v any, i *info) (string, error) {
	switch m := v.(type) {
	case Namer:
		if name := m.MessageType(); name != "" {
			return name, nil
		}
		return "", fmt.Errorf("the MessageType of a %T is empty", v)
	case proto.Message: // a dynamic one has its own descriptor
		return string(m.ProtoReflect().Descriptor().FullName()), nil
	}
	return i.named(reflect.TypeOf(v))
}

// NameOf is the name under which values of a type travel.
func NameOf(t reflect.Type) (string, error) {
	i := infoOf(t)
	if i.fault != nil {
		return "", i.fault
	}
	return i.named(t)
}

func (i *info) named(t reflect.Type) (string, error) {
	if i.name != "" {
		return i.name, nil
	}
	return "", fmt.Errorf("type %v has no name: give it a MessageType method, or send bytes with an explicit type", t)
}

// reflectName asks a zero value. That may panic: a dynamic protobuf message has no name
// without its descriptor.
func reflectName(t reflect.Type) (name string) {
	defer func() {
		if recover() != nil {
			name = ""
		}
	}()
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

// Format is how values of a type are encoded: "protobuf" or "json".
func Format[T any]() string {
	var v T
	if _, ok := any(v).(proto.Message); ok {
		return "protobuf"
	} else if _, ok := any(&v).(proto.Message); ok {
		return "protobuf"
	}
	return "json"
}

// Marshal encodes v. The result belongs to the caller. Where v's own code panics
// (MarshalJSON, MarshalText) the error is a [*Panic].
// A type that would lose a part of itself gives an [*Invalid].
func Marshal(v any) ([]byte, error) { return MarshalAs(JSON, v) }

// MarshalAs is Marshal for a reply to a message that names a codec.
func MarshalAs(as string, v any) ([]byte, error) { return marshalReply(as, v, nil) }

// MarshalReply is MarshalAs for a caller that frees the room when it does not need the bytes any more. If the room is nil, the
// bytes are the caller's.
func MarshalReply(as string, v any) (data []byte, r *Room, err error) {
	if as == JSON {
		r = newRoom()
	}
	data, err = marshalReply(as, v, r)
	return data, r, err
}

func marshalReply(as string, v any, r *Room) ([]byte, error) {
	if v == nil {
		v = (*struct{})(nil) // null
	}
	i := infoOf(reflect.TypeOf(v))
	if i.fault != nil {
		return nil, i.fault
	}
	return marshal(as, v, i, r)
}

// marshal encodes v in a room. If that is nil the bytes belong to the caller.
func marshal(as string, v any, i *info, r *Room) (_ []byte, err error) {
	defer caught("encoding", &err)
	if i.addressed {
		v = pointerTo(v)
	}
	if m, ok := v.(proto.Message); ok {
		return r.protobuf(m)
	}
	if as != JSON {
		return marshalAs(as, v)
	}
	data, err := r.json(v)
	if err != nil {
		return nil, err
	}
	if where := lossless.Changed(v, data); where != "" {
		return nil, &Invalid{Type: reflect.TypeOf(v), Reason: fmt.Errorf("%s holds text that is not UTF-8, which JSON would change: use []byte", where)}
	}
	return data, nil
}

// pointerTo returns a pointer to a copy of v: the pointer has methods that v lacks.
func pointerTo(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	return p.Interface()
}

// Unmarshal decodes data into a new T. T may be a struct, a pointer to one or
// any other type that JSON knows; a protobuf message is given as its pointer
// type or as the struct that it points to.
func Unmarshal[T any](data []byte) (T, error) { return UnmarshalAs[T](JSON, data) }

// UnmarshalAs is Unmarshal for a message that names its codec.
func UnmarshalAs[T any](as string, data []byte) (T, error) {
	var v T
	target := any(&v)
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		elem := reflect.New(t.Elem())
		v = elem.Interface().(T)
		target = elem.Interface()
	}
	return v, unmarshalInto(as, data, target, true)
}

// UnmarshalNew is UnmarshalAs for callers that want a pointer: a protobuf message
// is not copied.
func UnmarshalNew[T any](as string, data []byte) (*T, error) {
	if reflect.TypeFor[T]().Kind() == reflect.Pointer {
		v, err := UnmarshalAs[T](as, data)
		return &v, err
	}
	v := new(T)
	return v, unmarshalInto(as, data, v, true)
}

// UnmarshalInto decodes data into what target points to. Where that one's own code
// panics (UnmarshalJSON, UnmarshalText) the error is a [*Panic].
func UnmarshalInto(data []byte, target any) error { return unmarshalInto(JSON, data, target, false) }

// unmarshalInto decodes data. fresh says that the target is zero, and that only the caller knows it.
func unmarshalInto(as string, data []byte, target any, fresh bool) (err error) {
	defer caught("decoding", &err)
	if m, ok := target.(proto.Message); ok {
		return proto.Unmarshal(data, m)
	}
	if as != JSON {
		return unmarshalAs(as, data, target)
	}
	if err := decodeJSON(data, target, fresh); err != nil {
		return &jsonError{err}
	}
	return nil
}

// jsonError says what is wrong with bytes without showing a part of them, because errors are
// logged and payloads are not. Protobuf's errors show none.
type jsonError struct{ err error }

// Error implements error.
func (e *jsonError) Error() string {
	if e, ok := errors.AsType[*json.SyntaxError](e.err); ok && e.Offset == 0 {
		return "no JSON: it is empty"
	} else if ok {
		return fmt.Sprintf("no JSON at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		what := "it"
		if e.Field != "" {
			what = fmt.Sprintf("field %q", e.Field)
		}
		return fmt.Sprintf("%s is no %v (byte %d)", what, e.Type, e.Offset)
	}
	return fmt.Sprintf("a field's own decoding failed with a %T", e.err)
}

// Unwrap returns what encoding/json has said.
func (e *jsonError) Unwrap() error { return e.err }
