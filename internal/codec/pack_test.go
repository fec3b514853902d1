package codec

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/apipb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/internal/plain"
)

// messages are protobuf messages of all shapes: texts, bytes, lists, maps, one of several, messages in messages.
func messages() []proto.Message {
	fields := &structpb.Struct{Fields: map[string]*structpb.Value{
		"n": structpb.NewNumberValue(1.5), "s": structpb.NewStringValue("x"), "l": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewNullValue()}}),
		"m": structpb.NewStructValue(&structpb.Struct{}), "b": structpb.NewBoolValue(false),
	}}
	unknown := wrapperspb.String("x")
	unknown.ProtoReflect().SetUnknown([]byte{0x10, 1})
	return []proto.Message{
		wrapperspb.String("x"), wrapperspb.String(""), wrapperspb.String("\xff"), wrapperspb.Bytes([]byte("x")), wrapperspb.Bytes([]byte{}), wrapperspb.Bytes(nil),
		wrapperspb.Double(math.NaN()), wrapperspb.Double(math.Copysign(0, -1)), wrapperspb.Float(float32(math.Copysign(0, -1))), wrapperspb.UInt64(math.MaxUint64), wrapperspb.Bool(true),
		timestamppb.Now(), fields, structpb.NewStringValue("\xff"), structpb.NewNumberValue(math.Copysign(0, -1)), unknown,
		&structpb.Struct{Fields: map[string]*structpb.Value{"\xff": nil}}, &structpb.Struct{Fields: map[string]*structpb.Value{"a": nil}}, &structpb.ListValue{Values: []*structpb.Value{nil}},
		&apipb.Api{Name: "a", Methods: []*apipb.Method{{Name: "m", Options: []*typepb.Option{{Name: "o"}}}, {}}, Syntax: typepb.Syntax_SYNTAX_PROTO3},
	}
}

// TestProtoCopies: a copy of a message is what its bytes give, and shares nothing with it. What its encoder refuses or changes is encoded.
func TestProtoCopies(t *testing.T) {
	copied := 0
	for _, m := range messages() {
		of := Plain(reflect.TypeOf(m))
		if of == nil || of != Plain(reflect.TypeOf(m).Elem()) {
			t.Fatalf("a %T is copied by %v", m, of)
		}
		v, ok := plain.CopyAny(of, plain.Message, m)
		if !ok {
			continue
		}
		copied++
		data, err := Marshal(m)
		as := m.ProtoReflect().New().Interface()
		if err == nil {
			err = UnmarshalInto(data, as)
		}
		if err != nil {
			t.Errorf("%T was copied, and its bytes give %v", m, err)
			continue
		}
		if v.Size() < len(data) || !bytes.Equal(v.Encoded(), data) {
			t.Errorf("%T: a size of %d, encoded as %q: the message is %q", m, v.Size(), v.Encoded(), data)
		}
		for range 2 {
			got := plain.Out[proto.Message](&v)
			if got == m || !proto.Equal(got, as) {
				t.Errorf("%T: got %v, and by its bytes %v", m, got, as)
			}
			proto.Reset(got)
		}
	}
	if copied < 10 {
		t.Errorf("%d were copied", copied)
	}
	circle := &structpb.ListValue{}
	circle.Values = []*structpb.Value{structpb.NewListValue(circle)}
	if _, ok := plain.CopyAny(Plain(reflect.TypeOf(circle)), plain.Message, circle); ok {
		t.Error("a circle was copied")
	}
}

// TestAlwaysEncoded: messages with required fields or extensions, and those without a descriptor of their type.
func TestAlwaysEncoded(t *testing.T) {
	for _, m := range []proto.Message{&descriptorpb.FieldOptions{}, &descriptorpb.UninterpretedOption_NamePart{}, dynamicpb.NewMessage((&wrapperspb.BoolValue{}).ProtoReflect().Descriptor())} {
		if Plain(reflect.TypeOf(m)) != nil {
			t.Errorf("a %T is copied", m)
		}
		if _, err := Encode(JSON, m); err != nil {
			p, err := Pack(m)
			_, want := Encode(JSON, m)
			if p.Value.Type() != nil || err == nil || err.Error() != want.Error() {
				t.Errorf("%T: %v, want %v", m, err, want)
			}
		}
	}
}

// TestPack: whatever becomes of a message, its name and its error are the same.
func TestPack(t *testing.T) {
	same := func(what any, p Packed, err error, isCopied bool) {
		t.Helper()
		e, want := Encode(JSON, what)
		if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() || p.Name != e.Name {
			t.Errorf("%T: %q, %v; encoded %q, %v", what, p.Name, err, e.Name, want)
		}
		var own, other *Invalid
		if errors.As(err, &own) != errors.As(want, &other) {
			t.Errorf("%T: %v; encoded %v", what, err, want)
		}
		if err == nil && (p.Value.Type() != nil) != isCopied {
			t.Errorf("%T: copied %v, want %v", what, p.Value.Type() != nil, isCopied)
		}
		if err == nil && isCopied && !bytes.Equal(p.Value.Encoded(), e.Data) {
			t.Errorf("%T: %s; encoded %s", what, p.Value.Encoded(), e.Data)
		}
		if err == nil && !isCopied && !bytes.Equal(p.Data, e.Data) {
			t.Errorf("%T: %s; encoded %s", what, p.Data, e.Data)
		}
	}
	packed := func(m any, isCopied bool) {
		t.Helper()
		p, err := Pack(m)
		same(m, p, err, isCopied)
	}
	for _, m := range messages() {
		_, ok := plain.CopyAny(Plain(reflect.TypeOf(m)), plain.Message, m)
		packed(m, ok)
	}
	packed(nil, false)
	packed((*simple)(nil), false)
	packed(&simple{1}, true)
	packed(math.NaN(), false)
	packed("\xff", false)
	packed(text("x"), true)
	packed([]int{1}, false) // it has no name
	for n := range 3 {
		p, err := Pack(simple{n})
		same(simple{n}, p, err, true)
		q, err := Pack(onValue{})
		same(onValue{}, q, err, true)
		r, err := Pack(onPointer{})
		same(onPointer{}, r, err, true)
		s, err := Pack(text("\xff"))
		same(text("\xff"), s, err, false)
		u, err := Pack(map[string]int{"a": n})
		same(map[string]int{"a": n}, u, err, false)
	}
}

// shows is a type with a ProtoReflect of its own, which shows a message of another type.
type shows struct{ in wrapperspb.StringValue }

func (s *shows) ProtoReflect() protoreflect.Message { return s.in.ProtoReflect() }

// TestProtoThatShowsAnother: a clone would be a message of the other type, and its receiver would panic.
func TestProtoThatShowsAnother(t *testing.T) {
	m := &shows{}
	m.in.Value = "x"
	p, err := Pack(m)
	if err != nil || p.Value.Type() != nil {
		t.Fatalf("packed as %+v, %v", p, err)
	}
	if got, err := Unmarshal[*shows](p.Data); err != nil || got.in.Value != "x" {
		t.Errorf("got %v, %v", got, err)
	}
}

// embeds is a case of a oneof, because it embeds one. It is no pointer, and the protobuf module panics.
type embeds struct{ *structpb.Value_StringValue }

// TestProtoPanics: what panics while it is encoded is an error of its message.
func TestProtoPanics(t *testing.T) {
	v := &structpb.Value{}
	reflect.ValueOf(v).Elem().FieldByName("Kind").Set(reflect.ValueOf(embeds{&structpb.Value_StringValue{StringValue: "x"}}))
	if p, err := Pack(v); !is[*Panic](err) {
		t.Errorf("packed as %+v, %v", p, err)
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
