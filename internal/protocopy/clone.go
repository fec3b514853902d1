// Copies by proto.Clone

package protocopy

import (
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// cloned is the [Func] of other types. They may need more than a zero value.
func (l *protoLook) cloned(_, p any) (copied any, size int) {
	defer func() {
		if recover() != nil { // in the message's own code: the encoder meets it again, and says what it is
			copied, size = nil, refuse
		}
	}()
	m := p.(proto.Message)
	if !l.copies(m.ProtoReflect(), 0) {
		return nil, refuse
	}
	return proto.Clone(m), proto.Size(m)
}

// protoLook names the fields of a message to look at before it is copied, because its encoder might refuse or
// change them.
type protoLook struct{ fields []protoField }

type protoField struct {
	of  protoreflect.FieldDescriptor
	key protoreflect.Kind // of a map
	is  protoreflect.Kind
	in  *protoLook // of a message
}

// looksAt finds out what has to be looked at in messages with a descriptor, and in those that they hold. It returns false for messages
// that are always encoded: a required field may be missing, and an extension may be known to one end only.
func looksAt(d protoreflect.MessageDescriptor, looks map[protoreflect.FullName]*protoLook) bool {
	if looks[d.FullName()] != nil {
		return true
	}
	look := &protoLook{}
	looks[d.FullName()] = look
	if d.ExtensionRanges().Len() > 0 || d.RequiredNumbers().Len() > 0 {
		return false
	}
	for i := range d.Fields().Len() {
		f := protoField{of: d.Fields().Get(i)}
		value := f.of
		if f.of.IsMap() {
			f.key, value = f.of.MapKey().Kind(), f.of.MapValue()
		}
		switch f.is = value.Kind(); f.is {
		case protoreflect.StringKind, protoreflect.FloatKind, protoreflect.DoubleKind:
		case protoreflect.MessageKind, protoreflect.GroupKind:
			if !looksAt(value.Message(), looks) {
				return false
			}
			f.in = looks[value.Message().FullName()]
		default:
			if f.key != protoreflect.StringKind {
				continue
			}
		}
		look.fields = append(look.fields, f)
	}
	return true
}

// copies reports whether a copy of a message is what its encoder and decoder make of it.
func (l *protoLook) copies(m protoreflect.Message, deep int) bool {
	if deep > mostDeep || !m.IsValid() || len(m.GetUnknown()) > 0 {
		return false
	}
	for i := range l.fields {
		f := &l.fields[i]
		if !m.Has(f.of) {
			continue
		}
		switch v := m.Get(f.of); {
		case f.of.IsMap():
			fine := true
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				fine = (f.key != protoreflect.StringKind || utf8.ValidString(k.String())) && f.copies(v, deep)
				return fine
			})
			if !fine {
				return false
			}
		case f.of.IsList():
			for i := range v.List().Len() {
				if !f.copies(v.List().Get(i), deep) {
					return false
				}
			}
		case !f.copies(v, deep):
			return false
		}
	}
	return true
}

// copies reports the same of a field's value, or of one of its elements.
func (f *protoField) copies(v protoreflect.Value, deep int) bool {
	switch f.is {
	case protoreflect.StringKind:
		return utf8.ValidString(v.String())
	case protoreflect.FloatKind, protoreflect.DoubleKind: // a copy may drop minus zero
		return v.Float() != 0 || !math.Signbit(v.Float())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return f.in.copies(v.Message(), deep+1)
	}
	return true
}
