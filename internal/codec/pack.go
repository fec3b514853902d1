// Messages as Go values, where they need not be encoded

package codec

import (
	"cmp"
	"reflect"

	"github.com/clstr-go/clstr/internal/plain"
)

// Packed is a message that is to be sent: its name, and its value or its bytes.
type Packed struct {
	Name  string
	Codec string      // of what is no protobuf message, the reply included
	Value plain.Value // if it has a type, there is no Data, and no Codec
	Data  []byte
}

// Pack is [Encode] for a message whose receiver may be in this process. A message of a plain type becomes
// a copy, and all others are encoded.
func Pack[M any](message M) (Packed, error) {
	t := reflect.TypeFor[M]()
	if k := t.Kind(); k != reflect.Interface && k != reflect.Pointer {
		if i := infoOf(t); i.plain != nil && i.mute { // it need not become an interface
			if v, ok := plain.Copy(i.plain, message); ok {
				return Packed{Name: i.name, Value: v}, nil
			}
		}
	}
	return pack(JSON, message, true)
}

// pack encodes a message that it does not copy. It copies none if asIs is false.
func pack(as string, message any, asIs bool) (p Packed, err error) {
	var i *info
	if p.Name, i, err = opened(message); err != nil {
		return p, err
	}
	p.Codec = cmp.Or(i.codec, as)
	if asIs && i.plain != nil {
		var ok bool
		if p.Value, ok = plain.CopyAny(i.plain, message); ok {
			return p, nil
		}
		p.Value = plain.Value{}
	}
	p.Data, err = marshal(p.Codec, message, i)
	return p, err
}

// Plain returns what is needed to hand over values of a type, or of the type that it points to; nil if they are
// always encoded.
func Plain(t reflect.Type) *plain.Type { return infoOf(t).plain }

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
