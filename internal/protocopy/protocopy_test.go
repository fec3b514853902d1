package protocopy

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/apipb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/internal/protocopy/internal/testpb"
)

// kinds are messages of generated types, and of others that are cloned.
var kinds = []struct {
	empty    proto.Message
	byFields bool
}{
	{&testpb.Rich{}, true}, {&testpb.Rich{}, true}, {&testpb.Old{}, true}, {&testpb.Old{}, true}, {&testpb.Inner{}, true}, {&testpb.Empty{}, true},
	{&testpb.Hidden{}, false}, {&testpb.Holds{}, false},
	{&structpb.Struct{}, true}, {&structpb.ListValue{}, true}, {&apipb.Api{}, true}, {&anypb.Any{}, true}, {&timestamppb.Timestamp{}, true},
	{&wrapperspb.BytesValue{}, true}, {&wrapperspb.StringValue{}, true}, {&wrapperspb.DoubleValue{}, true},
}

// TestByFields: a type goes the quick way only if it is as protoc-gen-go makes it, and so is all that it holds.
func TestByFields(t *testing.T) {
	for _, k := range kinds {
		if got := Generated(reflect.TypeOf(k.empty).Elem()); got != k.byFields {
			t.Errorf("a %T is copied by its fields: %v, want %v", k.empty, got, k.byFields)
		}
		if f, into := Of(reflect.TypeOf(k.empty).Elem()); f == nil || into != k.byFields {
			t.Errorf("a %T is copied: %v, into memory that is given: %v", k.empty, f != nil, into)
		}
	}
}

// TestNeverCopied: a required field may be missing, and one end may not know an extension.
func TestNeverCopied(t *testing.T) {
	for _, m := range []proto.Message{&testpb.Needs{}, &testpb.HoldsNeeds{}, &testpb.Extended{}, &descriptorpb.FileOptions{}} {
		if f, _ := Of(reflect.TypeOf(m).Elem()); f != nil {
			t.Errorf("a %T is copied", m)
		}
	}
}

// others are types that have a message's methods, and something of their own.
type (
	more struct {
		testpb.Inner
		Own int
	}
	foreign struct{ in testpb.Inner } // another type has made the message
)

func (f *foreign) ProtoReflect() protoreflect.Message { return f.in.ProtoReflect() }

// TestNotGenerated: methods alone do not make a generated type.
func TestNotGenerated(t *testing.T) {
	for _, of := range []reflect.Type{reflect.TypeFor[more](), reflect.TypeFor[foreign](), reflect.TypeFor[struct{ Name string }](), reflect.TypeFor[string]()} {
		if generated(of) != nil {
			t.Errorf("a %v is copied by the fields of a message", of)
		}
	}
}

// TestCircle: a message that holds itself is for the encoder, and one in nearly a hundred others is not.
func TestCircle(t *testing.T) {
	in := &testpb.Inner{Name: "x"}
	in.Next = in
	copied, _ := Of(reflect.TypeFor[testpb.Inner]())
	if _, size := copied(nil, in); size >= 0 {
		t.Error("a circle was copied")
	}
	in = nil
	for range mostDeep {
		in = &testpb.Inner{More: []*testpb.Inner{{Next: in}}}
	}
	if _, size := copied(nil, in); size >= 0 {
		t.Error("a message in 200 others was copied")
	}
	in = in.More[0].Next
	for range mostDeep/2 - 1 {
		in = in.More[0].Next
	}
	if got, size := copied(nil, in); size != proto.Size(in) || !proto.Equal(got.(proto.Message), in) {
		t.Errorf("a message in 100 others: size %d, want %d", size, proto.Size(in))
	}
}

func BenchmarkCopy(b *testing.B) {
	for name, m := range map[string]proto.Message{
		"string": wrapperspb.String("0123456789012345678901234567890123456789012345678901234567890123"),
		"rich":   &testpb.Rich{AString: "a", Strings: []string{"a", "b"}, Inners: []*testpb.Inner{{Name: "a"}, {Data: []byte("abc")}}, Choice: &testpb.Rich_OneString{OneString: "x"}},
		"map":    &testpb.Rich{ByString: map[string]string{"a": "b", "c": "d", "e": "f"}},
		"struct": &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewNumberValue(1), "b": structpb.NewStringValue("x")}},
	} {
		looks := map[protoreflect.FullName]*protoLook{}
		looksAt(m.ProtoReflect().Descriptor(), looks)
		fields, _ := Of(reflect.TypeOf(m).Elem())
		for way, f := range map[string]Func{"fields": fields, "clone": looks[m.ProtoReflect().Descriptor().FullName()].cloned} {
			b.Run(name+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f(nil, m)
				}
			})
		}
	}
}

// odd is a message type with a ProtoReflect of its own, whose messages panic.
type odd struct{ testpb.Inner }

func (o *odd) ProtoReflect() protoreflect.Message { return oddly{o.Inner.ProtoReflect()} }

type oddly struct{ protoreflect.Message }

func (o oddly) New() protoreflect.Message             { return (&odd{}).ProtoReflect() }
func (o oddly) Interface() protoreflect.ProtoMessage  { return &odd{} }
func (o oddly) Has(protoreflect.FieldDescriptor) bool { panic("odd") }

// TestPanics: a message whose own code panics is for the encoder, which says so.
func TestPanics(t *testing.T) {
	copied, _ := Of(reflect.TypeFor[odd]())
	if copied == nil {
		t.Fatal("never copied: it shows nothing")
	}
	if _, size := copied(nil, &odd{}); size >= 0 {
		t.Error("it was copied")
	}
}
