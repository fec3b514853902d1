package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type (
	inherits  struct{ onValue }
	inheritsP struct{ *onPointer }
	ownName   struct{ onValue }
	inProto   struct {
		*wrapperspb.StringValue
		N int
	}
	timed struct {
		time.Time
		Name string
	}
	//lint:ignore U1000 a field that no encoder sees
	secret struct{ n int }

	// money encodes itself by its pointer only.
	money struct{ cents int }
	order struct{ Sum money }

	checked  struct{ N int }
	pchecked struct{ N int }
)

func (ownName) MessageType() string { return "own-name" }

func (m *money) MarshalJSON() ([]byte, error)    { return fmt.Appendf(nil, "%d", m.cents), nil }
func (m *money) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &m.cents) }

var errNegative = errors.New("negative")

func (c checked) Validate() error   { return notNegative(c.N) }
func (c *pchecked) Validate() error { return notNegative(c.N) }

func notNegative(n int) error {
	if n == -2 {
		panic("secret")
	}
	if n < 0 {
		return errNegative
	}
	return nil
}

// TestLossyTypesAreRefused wherever a type or a value comes in.
func TestLossyTypesAreRefused(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string // "" is fine
	}{
		{inherits{}, "field onValue embeds codec.onValue, whose MessageType"},
		{&inherits{}, "MessageType of its own"},
		{inheritsP{}, "field onPointer"}, // with a nil one its name would panic
		{ownName{}, ""},
		{inProto{wrapperspb.String("x"), 1}, "field StringValue embeds *wrapperspb.StringValue, whose ProtoReflect"},
		{&inProto{}, "ProtoReflect"},
		{timed{}, "Name would be lost"},
		{secret{}, "unexported fields only (n)"},
		{[]secret{}, "unexported fields only"},
		{wrapperspb.String("x"), ""},
		{durationpb.New(time.Second), ""},
		{order{}, ""},
	} {
		checks := map[string]error{"Check": Check(reflect.TypeOf(c.v))}
		_, checks["Marshal"] = Marshal(c.v)
		if reflect.TypeOf(c.v).Kind() != reflect.Slice {
			_, checks["NameOf"] = NameOf(reflect.TypeOf(c.v))
			_, checks["Encode"] = Encode(JSON, c.v)
		}
		for what, err := range checks {
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s of a %T: %v", what, c.v, err)
			}
			if _, ok := err.(*Invalid); err != nil && !ok {
				t.Errorf("%s of a %T: a %T", what, c.v, err)
			}
		}
	}
}

// TestMarshalByPointer: what encodes itself by its pointer does so in a value, too.
func TestMarshalByPointer(t *testing.T) {
	for _, v := range []any{order{money{5}}, &order{money{5}}} {
		data, err := Marshal(v)
		if err != nil || string(data) != `{"Sum":5}` {
			t.Errorf("%T: %s, %v", v, data, err)
		}
		if back, err := Unmarshal[order](data); err != nil || back.Sum.cents != 5 {
			t.Errorf("%T: back %+v, %v", v, back, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, v := range []any{checked{-1}, &checked{-1}, pchecked{-1}, &pchecked{-1}} {
		p, err := Encode(JSON, v)
		if invalid, ok := err.(*Invalid); !ok || !invalid.Own || !errors.Is(err, errNegative) || p.Data != nil || p.Name == "" {
			t.Errorf("%T: %q, %s, %v", v, p.Name, p.Data, err)
		}
	}
	for _, v := range []any{checked{1}, &checked{1}, pchecked{1}, &pchecked{1}} {
		if p, err := Encode(JSON, v); err != nil || string(p.Data) != `{"N":1}` {
			t.Errorf("%T: %s, %v", v, p.Data, err)
		}
	}
	_, err := Encode(JSON, checked{-2})
	p, ok := err.(*Panic)
	if !ok || strings.Contains(err.Error()+p.Where(), "secret") || !strings.Contains(p.Where(), "notNegative (info_test.go:") {
		t.Errorf("a Validate that panics: %v, %v", err, p)
	}
}

// volatile panics in its own code.
type volatile struct{ How string }

func (v volatile) MarshalJSON() ([]byte, error) { return nil, boom(v.How) }
func (v *volatile) UnmarshalJSON(b []byte) error {
	return boom(strings.Trim(string(b), `"`))
}

func boom(how string) error {
	if how == "nil" {
		var none *volatile
		_ = none.How
	}
	panic("secret")
}

func TestPanics(t *testing.T) {
	for _, how := range []string{"nil", "secret"} {
		_, marshal := Marshal(&volatile{how})
		_, unmarshal := Unmarshal[volatile]([]byte(`"` + how + `"`))
		_, into := UnmarshalNew[box[volatile]](JSON, []byte(`{"V":"`+how+`"}`))
		for what, err := range map[string]error{"encoding": marshal, "decoding": unmarshal, "decoding ": into} {
			p, ok := err.(*Panic)
			if !ok || !strings.HasPrefix(what, p.What) || len(p.Stack) == 0 {
				t.Fatalf("%s, %s: %v", what, how, err)
			}
			if strings.Contains(err.Error(), ".go") || strings.Contains(p.Where(), "secret") || !strings.Contains(p.Where(), "boom (info_test.go:") ||
				(how == "nil") != strings.Contains(p.Where(), "nil pointer") {
				t.Errorf("%s, %s: %q, %q", what, how, err, p.Where())
			}
		}
	}
}

// TestUnknown: fields that a type has no place for.
func TestUnknown(t *testing.T) {
	for _, c := range []struct {
		data, want string
		err        bool
	}{
		{`{"N":1}`, "", false}, {`{}`, "", false}, {`null`, "", false}, {`{"Sum":1}`, "Sum", false}, {`{"N":1,"Sum \"":{}}`, `Sum "`, false}, {`[`, "", true},
	} {
		if got, err := Unknown[simple](JSON, []byte(c.data)); got != c.want || (err != nil) != c.err {
			t.Errorf("%s: %q, %v", c.data, got, err)
		}
		if got, err := Unknown[*simple](JSON, []byte(c.data)); got != c.want || (err != nil) != c.err {
			t.Errorf("%s by pointer: %q, %v", c.data, got, err)
		}
	}
	if got, err := Unknown[struct{}](JSON, []byte(`{"N":1}`)); got != "" || err != nil {
		t.Errorf("a struct that takes nothing: %q, %v", got, err)
	}
	data, err := Marshal(&durationpb.Duration{Seconds: 1, Nanos: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Unknown[*durationpb.Duration](JSON, data); got != "" || err != nil {
		t.Errorf("protobuf, the same: %q, %v", got, err)
	}
	if got, err := Unknown[*wrapperspb.Int64Value](JSON, data); got != "Int64Value.2" || err != nil {
		t.Errorf("protobuf, another: %q, %v", got, err)
	}
}

// TestUnknownInside: what is unknown may stand in a message of a field, of a list or of a map.
func TestUnknownInside(t *testing.T) {
	stranger := structpb.NewStringValue("x")
	stranger.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1))
	list, known := &structpb.ListValue{Values: []*structpb.Value{structpb.NewBoolValue(true), stranger}}, structpb.NewNullValue()
	for name, c := range map[string]struct {
		m       proto.Message
		unknown func(string, []byte) (string, error)
		want    string
	}{
		"a field":         {structpb.NewListValue(list), Unknown[*structpb.Value], "Value.9"},
		"a list":          {list, Unknown[*structpb.ListValue], "Value.9"},
		"a map":           {&structpb.Struct{Fields: map[string]*structpb.Value{"a": stranger, "b": known}}, Unknown[*structpb.Struct], "Value.9"},
		"none":            {&structpb.Struct{Fields: map[string]*structpb.Value{"a": known}}, Unknown[*structpb.Struct], ""},
		"a list of texts": {&fieldmaskpb.FieldMask{Paths: []string{"a"}}, Unknown[*fieldmaskpb.FieldMask], ""},
	} {
		data, err := Marshal(c.m)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.unknown(JSON, data); got != c.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestEncodeAllocatesNothingMore(t *testing.T) {
	for _, v := range []any{simple{1}, &simple{1}, onValue{1}, checked{1}} {
		if _, err := Encode(JSON, v); err != nil {
			t.Fatal(err)
		}
		alone := testing.AllocsPerRun(1000, func() { _, _ = json.Marshal(v) })
		if n := testing.AllocsPerRun(1000, func() { _, _ = Encode(JSON, v) }); n > alone {
			t.Errorf("%T: %v allocations, json.Marshal has %v", v, n, alone)
		}
	}
}
