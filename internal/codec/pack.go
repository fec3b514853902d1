// Messages as Go values, where they need not be encoded

package codec

import (
	"cmp"
	"reflect"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/protocopy"
)

// Packed is a message that is to be sent: its name, and its value or its bytes.
type Packed struct {
	Name  string
	Codec string      // of what is no protobuf message, the reply included
	Value plain.Value // if it has a type, there is no Data, and no Codec
	Data  []byte
	Room  *Room // that the data are in, and that the caller frees; nil if they are the caller's
}

// Pack is [Encode] for a message whose receiver may be in this process. A message of a plain type becomes
// a copy, and all others are encoded.
func Pack[M any](message M) (Packed, error) {
	t := reflect.TypeFor[M]()
	if t.Kind() != reflect.Interface {
		if i := infoOf(t); i.plain != nil && i.mute { // the message has no code of its own that must run
			if v, ok := plain.Copy(i.plain, plain.Message, message); ok {
				return Packed{Name: i.name, Value: v}, nil
			}
		}
	}
	return pack(JSON, message, true, false)
}

// pack encodes a message that it does not copy. With room it may encode in one. It copies none if asIs is false.
func pack(as string, message any, asIs, room bool) (p Packed, err error) {
	var i *info
	if p.Name, i, err = opened(message); err != nil {
		return p, err
	}
	p.Codec = cmp.Or(i.codec, as)
	if asIs && i.plain != nil {
		var ok bool
		if p.Value, ok = plain.CopyAny(i.plain, plain.Message, message); ok {
			return p, nil
		}
		p.Value = plain.Value{}
	}
	if room && p.Codec == JSON {
		p.Room = newRoom()
	}
	p.Data, err = marshal(p.Codec, message, i, p.Room)
	return p, err
}

// Plain returns what is needed to hand over values of a type, or of the type that it points to; nil if they are
// always encoded.
func Plain(t reflect.Type) *plain.Type { return infoOf(t).plain }

// KeepsNothing reports whether values of a type surely keep nothing of the bytes that they are decoded from: no code of the
// application takes part, so it does not see these bytes, and the codecs copy what they keep.
func KeepsNothing(t reflect.Type) bool { return infoOf(t).careful }

// Spare is [Plain] for types that are decoded without code of their own, and nil for all others. Such code may keep the pointer
// that it gets, and then the value's owner is not the only one to have it.
func Spare(t reflect.Type) *plain.Type {
	if i := infoOf(t); i.careful {
		return i.plain
	}
	return nil
}

// keepsNothing is the first look of [KeepsNothing], at a type that has a [plain.Type].
func keepsNothing(t reflect.Type, isProto bool) bool {
	switch {
	case !isProto:
		return !decodesItself(t, map[reflect.Type]bool{})
	case t.Kind() == reflect.Pointer:
		t = t.Elem()
	}
	return protocopy.Generated(t)
}

// decodesItself reports whether a plain type, or what its values hold, has methods that decode another codec than JSON. seen ends
// circles.
func decodesItself(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == reflect.TypeFor[time.Time]() {
		return false
	}
	seen[t] = true
	for _, m := range []string{"UnmarshalBinary", "UnmarshalCBOR"} {
		if _, has := reflect.PointerTo(t).MethodByName(m); has {
			return true
		}
	}
	switch t.Kind() {
	case reflect.Map:
		return decodesItself(t.Key(), seen) || decodesItself(t.Elem(), seen)
	case reflect.Array, reflect.Pointer, reflect.Slice:
		return decodesItself(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if decodesItself(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// plainOf is the first look of [Plain].
func plainOf(t reflect.Type, isProto bool, name string) *plain.Type {
	switch {
	case !isProto:
		return plain.Of(t)
	case name == "": // a dynamic message: another value of its type is another message
		return nil
	case t.Kind() == reflect.Pointer:
		t = t.Elem()
	}
	return protoOf(t)
}

// protos holds one entry for each type of protobuf messages: nil if they are always encoded.
var protos sync.Map // reflect.Type -> *plain.Type

func protoOf(t reflect.Type) *plain.Type {
	if known, ok := protos.Load(t); ok {
		return known.(*plain.Type)
	}
	var of *plain.Type
	if copied, into := protocopy.Of(t); copied != nil {
		of = plain.By(t, into, copied, func(p any) ([]byte, error) {
			return proto.MarshalOptions{Deterministic: true}.Marshal(p.(proto.Message))
		})
	}
	known, _ := protos.LoadOrStore(t, of)
	return known.(*plain.Type)
}
