// How generated messages are copied: one func for each field, made once for each type

package protocopy

import (
	"reflect"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/runtime/protoimpl"
)

// generated returns how messages of a struct type are copied. It returns nil if protoc-gen-go has not made the type, or
// not made the type of a message in it.
func generated(t reflect.Type) *message {
	b := builder{made: map[reflect.Type]*message{}}
	m := b.message(t, nil)
	if b.refused {
		return nil
	}
	return m
}

// builder makes the funcs of one type and of all that it holds.
type builder struct {
	made    map[reflect.Type]*message
	refused bool // something in it is not as protoc-gen-go makes it
}

func (b *builder) refuse() { b.refused = true }

// message looks at a struct type. want is the descriptor of a message in another, and nil for the outermost.
func (b *builder) message(t reflect.Type, want protoreflect.MessageDescriptor) *message {
	empty, ok := reflect.New(t).Interface().(proto.Message)
	if !ok || t.Kind() != reflect.Struct {
		b.refuse()
		return nil
	}
	r := empty.ProtoReflect()
	d := r.Descriptor()
	info, ok := r.Type().(*protoimpl.MessageInfo)
	if !ok || info.GoReflectType != reflect.PointerTo(t) || want != nil && want.FullName() != d.FullName() {
		b.refuse()
		return nil
	}
	if m, ok := b.made[t]; ok {
		return m
	}
	m := &message{of: t}
	b.made[t] = m
	fields, own := 0, map[string]bool{}
	for f := range t.Fields() {
		switch {
		case f.Type == ownFields[f.Name]:
			own[f.Name] = true
			if f.Name == "unknownFields" {
				m.unknown = f.Offset
			}
		case f.Tag.Get("protobuf_oneof") != "":
			of := d.Oneofs().ByName(protoreflect.Name(f.Tag.Get("protobuf_oneof")))
			if of == nil || f.Type.Kind() != reflect.Interface {
				b.refuse()
				return m
			}
			fields += of.Fields().Len()
			m.steps = append(m.steps, step{f.Offset, b.oneof(of, r, f)})
		default:
			of := d.Fields().ByNumber(number(f))
			if of == nil || of.ContainingOneof() != nil && !of.ContainingOneof().IsSynthetic() {
				b.refuse()
				return m
			}
			fields++
			m.steps = append(m.steps, step{f.Offset, b.field(of, f.Type)})
		}
	}
	if fields != d.Fields().Len() || len(own) != len(ownFields) {
		b.refuse()
	}
	return m
}

// ownFields are the fields of a generated struct that are none of the message.
var ownFields = map[string]reflect.Type{
	"state":         reflect.TypeFor[protoimpl.MessageState](),
	"sizeCache":     reflect.TypeFor[protoimpl.SizeCache](),
	"unknownFields": reflect.TypeFor[protoimpl.UnknownFields](),
}

// number is that of a field of a message, and 0 for any other field.
func number(f reflect.StructField) protoreflect.FieldNumber {
	parts := strings.Split(f.Tag.Get("protobuf"), ",")
	if !f.IsExported() || len(parts) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return protoreflect.FieldNumber(n)
}

// field returns the op of a field that is a part of no oneof.
func (b *builder) field(of protoreflect.FieldDescriptor, t reflect.Type) op {
	tag := tagSize(of)
	switch {
	case of.IsMap():
		if t.Kind() != reflect.Map || of.MapValue().Kind() == protoreflect.GroupKind {
			break
		}
		key, elem := b.shape(of.MapKey(), t.Key()), b.shape(of.MapValue(), t.Elem())
		if b.refused {
			return nil
		}
		return ofMap(t, key.one, elem.one, tag)
	case of.IsList():
		if t.Kind() != reflect.Slice {
			break
		}
		if s := b.shape(of, t.Elem()); !b.refused {
			return s.list(tag, of.IsPacked())
		}
	case !of.HasPresence():
		if s := b.shape(of, t); !b.refused {
			return s.implicit(tag)
		}
	case t.Kind() == reflect.Pointer && of.Message() == nil:
		if s := b.shape(of, t.Elem()); !b.refused && of.Kind() != protoreflect.BytesKind {
			return s.optional(tag)
		}
	case of.Message() != nil || of.Kind() == protoreflect.BytesKind: // nil is none
		if s := b.shape(of, t); !b.refused {
			return s.optional(tag)
		}
	}
	b.refuse()
	return nil
}

// tagSize is how many bytes a field takes beside its value.
func tagSize(of protoreflect.FieldDescriptor) int {
	size := protowire.SizeTag(of.Number())
	if of.Kind() == protoreflect.GroupKind {
		size *= 2
	}
	return size
}

// oneof returns the op of a field that holds one of several, in a struct of its own. empty tells which struct.
func (b *builder) oneof(of protoreflect.OneofDescriptor, empty protoreflect.Message, f reflect.StructField) op {
	cases := map[reflect.Type]*oneCase{}
	for i := range of.Fields().Len() {
		one := of.Fields().Get(i)
		m := empty.New()
		m.Set(one, m.NewField(one))
		in := reflect.ValueOf(m.Interface()).Elem().FieldByIndex(f.Index).Elem().Type()
		if in.Kind() != reflect.Pointer || in.Elem().Kind() != reflect.Struct || in.Elem().NumField() != 1 || number(in.Elem().Field(0)) != one.Number() {
			b.refuse()
			return nil
		}
		s := b.shape(one, in.Elem().Field(0).Type)
		if b.refused {
			return nil
		}
		cases[in] = &oneCase{in: in.Elem(), one: s.one, tag: tagSize(one)}
	}
	return ofOneof(f.Type, cases)
}

// shape returns how values of a field are copied, if they have the Go type that protoc-gen-go gives them.
func (b *builder) shape(of protoreflect.FieldDescriptor, t reflect.Type) shape {
	if of.Message() != nil {
		if t.Kind() != reflect.Pointer {
			b.refuse()
			return shape{}
		}
		return ofMessage(b.message(t.Elem(), of.Message()), of.Kind() == protoreflect.GroupKind)
	}
	s := shapes[of.Kind()]
	if t.Kind() != s.is || s.is == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		b.refuse()
	}
	return s
}

// shapes are those of all kinds but messages. Floats are copied as bits: minus zero is not zero.
var shapes = map[protoreflect.Kind]shape{
	protoreflect.BoolKind:     ofScalar(reflect.Bool, func(bool) int { return 1 }),
	protoreflect.EnumKind:     ofScalar(reflect.Int32, func(n int32) int { return protowire.SizeVarint(uint64(n)) }),
	protoreflect.Int32Kind:    ofScalar(reflect.Int32, func(n int32) int { return protowire.SizeVarint(uint64(n)) }),
	protoreflect.Int64Kind:    ofScalar(reflect.Int64, func(n int64) int { return protowire.SizeVarint(uint64(n)) }),
	protoreflect.Uint32Kind:   ofScalar(reflect.Uint32, func(n uint32) int { return protowire.SizeVarint(uint64(n)) }),
	protoreflect.Uint64Kind:   ofScalar(reflect.Uint64, protowire.SizeVarint),
	protoreflect.Sint32Kind:   ofScalar(reflect.Int32, func(n int32) int { return protowire.SizeVarint(protowire.EncodeZigZag(int64(n))) }),
	protoreflect.Sint64Kind:   ofScalar(reflect.Int64, func(n int64) int { return protowire.SizeVarint(protowire.EncodeZigZag(n)) }),
	protoreflect.Fixed32Kind:  ofScalar(reflect.Uint32, func(uint32) int { return 4 }),
	protoreflect.Fixed64Kind:  ofScalar(reflect.Uint64, func(uint64) int { return 8 }),
	protoreflect.Sfixed32Kind: ofScalar(reflect.Int32, func(int32) int { return 4 }),
	protoreflect.Sfixed64Kind: ofScalar(reflect.Int64, func(int64) int { return 8 }),
	protoreflect.FloatKind:    ofScalar(reflect.Float32, func(uint32) int { return 4 }),
	protoreflect.DoubleKind:   ofScalar(reflect.Float64, func(uint64) int { return 8 }),
	protoreflect.StringKind:   ofScalar(reflect.String, textSize),
	protoreflect.BytesKind:    ofBytes,
}
