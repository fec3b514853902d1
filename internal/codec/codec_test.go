package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type simple struct{ N int }

type onValue struct{ N int }

func (onValue) MessageType() string { return "on-value" }

type onPointer struct{ N int }

func (*onPointer) MessageType() string { return "on-pointer" }

// byContent names each value differently.
type byContent string

func (b byContent) MessageType() string { return string(b) }

type box[T any] struct{ V T }

type pair[A, B any] struct {
	A A
	B B
}

type text string

type namedProto struct{ *wrapperspb.StringValue }

func (namedProto) MessageType() string { return "named-proto" }

func TestName(t *testing.T) {
	type local struct{}
	p := &simple{}
	for _, c := range []struct {
		v    any
		name string // "" for none
	}{
		{simple{}, "simple"},
		{&simple{}, "simple"},
		{(*simple)(nil), ""},
		{onValue{}, "on-value"},
		{&onValue{}, "on-value"},
		{(*onValue)(nil), ""},
		{onPointer{}, "on-pointer"},
		{&onPointer{}, "on-pointer"},
		{(*onPointer)(nil), ""},
		{byContent("first"), "first"},
		{byContent("second"), "second"},
		{byContent(""), ""},
		{text("x"), "text"},
		{7, "int"},
		{"x", "string"},
		{local{}, "local"},
		{wrapperspb.String("x"), "google.protobuf.StringValue"},
		{(*wrapperspb.StringValue)(nil), ""},
		{namedProto{wrapperspb.String("x")}, "named-proto"},
		{json.RawMessage("{}"), "RawMessage"},
		{box[int]{}, "box[int]"},
		{box[*simple]{}, "box[*simple]"},
		{&box[text]{}, "box[text]"},
		{pair[map[string]simple, []json.RawMessage]{}, "pair[map[string]simple,[]RawMessage]"},
		{box[box[pair[wrapperspb.StringValue, text]]]{}, "box[box[pair[StringValue,text]]]"},
		{nil, ""},
		{struct{ N int }{}, ""},
		{&struct{ N int }{}, ""},
		{[]byte("x"), ""},
		{map[string]int{}, ""},
		{func() {}, ""},
		{&p, ""},
	} {
		name, err := Name(c.v)
		if name != c.name || (err == nil) != (c.name != "") {
			t.Errorf("%T: %q, %v, want %q", c.v, name, err, c.name)
		}
	}
}

// Name is the first half of Encode.
func Name(v any) (string, error) {
	if err := notNil(v); err != nil {
		return "", err
	}
	return nameOf(v, infoOf(reflect.TypeOf(v)))
}

func TestNamelessTypeIsToldWhatToDo(t *testing.T) {
	_, err := Name(struct{ N int }{})
	if err == nil || !strings.Contains(err.Error(), "struct { N int }") || !strings.Contains(err.Error(), "MessageType method") {
		t.Errorf("got %v", err)
	}
}

// TestNameOf: what a receiver registers by type is what a sender names by value.
func TestNameOf(t *testing.T) {
	for _, v := range []any{
		simple{}, &simple{}, onValue{}, &onValue{}, onPointer{}, &onPointer{}, text(""), wrapperspb.String(""), box[simple]{},
	} {
		want, err := Name(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := NameOf(reflect.TypeOf(v)); err != nil || got != want {
			t.Errorf("%T: %q, %v, want %q", v, got, err, want)
		}
	}
	if name, err := NameOf(reflect.TypeFor[wrapperspb.StringValue]()); err != nil || name != "google.protobuf.StringValue" {
		t.Errorf("the struct of a protobuf message: %q, %v", name, err)
	}
}

// TestDynamicMessages share a Go type, and have each their own name.
func TestDynamicMessages(t *testing.T) {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("x.proto"), Package: proto.String("x"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("A")}, {Name: proto.String("B")}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"x.A", "x.B"} {
		if got, err := Name(dynamicpb.NewMessage(file.Messages().Get(i))); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestNameAllocatesNothing(t *testing.T) {
	for _, v := range []any{simple{}, &simple{}, onValue{}, &onPointer{}, wrapperspb.String("x")} {
		if _, err := Name(v); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(1000, func() { _, _ = Name(v) }); n != 0 {
			t.Errorf("%T: %v allocations", v, n)
		}
	}
}

func TestJSON(t *testing.T) {
	data, err := Marshal(simple{7})
	if err != nil || string(data) != `{"N":7}` {
		t.Fatalf("%s, %v", data, err)
	}
	byPointer, err := Marshal(&simple{7})
	if err != nil || !bytes.Equal(byPointer, data) {
		t.Errorf("by pointer: %s, %v", byPointer, err)
	}
	if v, err := Unmarshal[simple](data); err != nil || v.N != 7 {
		t.Errorf("into a struct: %+v, %v", v, err)
	}
	if v, err := Unmarshal[*simple](data); err != nil || v.N != 7 {
		t.Errorf("into a pointer: %+v, %v", v, err)
	}
	if v, err := UnmarshalNew[simple](JSON, data); err != nil || v.N != 7 {
		t.Errorf("into a new struct: %+v, %v", v, err)
	}
	if v, err := UnmarshalNew[*simple](JSON, data); err != nil || (*v).N != 7 {
		t.Errorf("into a new pointer: %+v, %v", v, err)
	}
	if v, err := Unmarshal[map[string]int](data); err != nil || v["N"] != 7 {
		t.Errorf("into a map: %v, %v", v, err)
	}
	if v, err := Unmarshal[any](data); err != nil || v.(map[string]any)["N"] != 7.0 {
		t.Errorf("into any: %v, %v", v, err)
	}
}

// TestNilPointers: a reply may be nil, and nobody gets a nil pointer of it.
func TestNilPointers(t *testing.T) {
	data, err := Marshal((*simple)(nil))
	if err != nil || string(data) != "null" {
		t.Errorf("JSON: %s, %v", data, err)
	}
	if v, err := Unmarshal[*simple](data); err != nil || v == nil || v.N != 0 {
		t.Errorf("back from JSON: %v, %v", v, err)
	}
	data, err = Marshal((*wrapperspb.StringValue)(nil))
	if err != nil || len(data) != 0 {
		t.Errorf("protobuf: %x, %v", data, err)
	}
	if v, err := Unmarshal[*wrapperspb.StringValue](data); err != nil || v == nil || v.Value != "" {
		t.Errorf("back from protobuf: %v, %v", v, err)
	}
}

func TestProtobuf(t *testing.T) {
	d := &durationpb.Duration{Seconds: 3, Nanos: 5}
	want, err := proto.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	data, err := Marshal(d)
	if err != nil || !bytes.Equal(data, want) {
		t.Fatalf("%x, %v, want %x", data, err, want)
	}
	if v, err := Unmarshal[*durationpb.Duration](data); err != nil || !proto.Equal(v, d) {
		t.Errorf("into a pointer: %v, %v", v, err)
	}
	if v, err := UnmarshalNew[durationpb.Duration](JSON, data); err != nil || !proto.Equal(v, d) {
		t.Errorf("into a new struct: %v, %v", v, err)
	}
	if v, err := UnmarshalNew[*durationpb.Duration](JSON, data); err != nil || !proto.Equal(*v, d) {
		t.Errorf("into a new pointer: %v, %v", v, err)
	}
}

// TestProtobufStruct: the struct of a message by value is what its pointer is.
func TestProtobufStruct(t *testing.T) {
	d := &durationpb.Duration{Seconds: 3}
	byValue, err := Marshal(reflect.ValueOf(d).Elem().Interface())
	if err != nil {
		t.Fatal(err)
	}
	if v, err := UnmarshalNew[durationpb.Duration](JSON, byValue); err != nil || !proto.Equal(v, d) {
		t.Errorf("got %v, %v, want %v", v, err, d)
	}
}

func TestWhatDoesNotMarshal(t *testing.T) {
	for _, v := range []any{make(chan int), func() {}, box[chan int]{}, wrapperspb.String("\xff")} {
		if data, err := Marshal(v); err == nil {
			t.Errorf("%T: %q", v, data)
		}
	}
}

func TestWhatDoesNotUnmarshal(t *testing.T) {
	for _, data := range []string{"", "{", "[]", `{"N":"x"}`, `{"N":1}x`, "\xff"} {
		if v, err := Unmarshal[simple]([]byte(data)); err == nil {
			t.Errorf("%q: %+v", data, v)
		}
		if v, err := UnmarshalNew[*simple](JSON, []byte(data)); err == nil {
			t.Errorf("%q: %+v", data, v)
		}
	}
	for _, data := range []string{"\x08", "\xff\xff", `{"Seconds":1}`} {
		if v, err := Unmarshal[*durationpb.Duration]([]byte(data)); err == nil {
			t.Errorf("%q: %+v", data, v)
		}
	}
}

// picky refuses what it is given, and says what that was.
type picky struct{}

func (*picky) UnmarshalText(text []byte) error { return fmt.Errorf("not %s", text) }

// TestErrorsHoldNoPayload: they are logged, and travel to callers.
func TestErrorsHoldNoPayload(t *testing.T) {
	for data, what := range map[string]string{
		`{"V":4929123}`:   "field \"V\" is no codec.simple",
		`{"V":"4929123"}`: "field \"V\" is no codec.simple",
		`4929123`:         "it is no codec.box[",
		`x4929123`:        "no JSON at byte 1",
		``:                "no JSON: it is empty",
	} {
		_, err := Unmarshal[box[simple]]([]byte(data))
		if err == nil || strings.Contains(err.Error(), "4929123") || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v, want %s", data, err, what)
		}
	}
	for name, err := range map[string]error{
		"a field's": errOf(Unmarshal[box[*picky]]([]byte(`{"V":"4929123"}`))),
		"a time":    errOf(Unmarshal[box[time.Time]]([]byte(`{"V":"4929123"}`))),
	} {
		if err == nil || strings.Contains(err.Error(), "4929123") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Unmarshal[simple](nil)
	if _, ok := errors.AsType[*json.SyntaxError](err); !ok {
		t.Errorf("%v has lost its cause", err)
	}
}

func errOf[T any](_ T, err error) error { return err }

// TestProtobufIsAlwaysTheSame: the bytes of a message tell once-only commands apart.
func TestProtobufIsAlwaysTheSame(t *testing.T) {
	fields := map[string]*structpb.Value{}
	for i := range 50 {
		fields[fmt.Sprint(i)] = structpb.NewNumberValue(float64(i))
	}
	first, err := Marshal(&structpb.Struct{Fields: fields})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := Marshal(&structpb.Struct{Fields: fields}); !bytes.Equal(again, first) {
			t.Fatal("the same message is encoded in two ways")
		}
	}
}
