package codec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

// reversed is a codec that writes numbers backwards, and loses floats.
var reversed = &Codec{
	Name: "reversed",
	Lossy: func(t reflect.Type) error {
		if t.Kind() == reflect.Float64 {
			return errors.New("it is a float")
		}
		return nil
	},
	Marshal: func(v any) ([]byte, error) {
		if v == 13 {
			panic("secret")
		}
		return turned(fmt.Append(nil, v)), nil
	},
	Unmarshal: func(data []byte, target any) error {
		_, err := fmt.Sscan(string(turned(data)), target)
		return err
	},
	Unknown: func([]byte, any) (string, error) { return "all", nil },
}

func turned(b []byte) (out []byte) {
	for _, c := range b {
		out = append([]byte{c}, out...)
	}
	return out
}

func init() { Register(reversed) }

type choosy int

func (choosy) MessageCodec() string { return "reversed" }

func TestCodecs(t *testing.T) {
	if data, err := MarshalAs("reversed", 123); err != nil || string(data) != "321" {
		t.Errorf("%s, %v", data, err)
	}
	if v, err := UnmarshalAs[int]("reversed", []byte("321")); err != nil || v != 123 {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := UnmarshalNew[*int]("reversed", []byte("321")); err != nil || **v != 123 {
		t.Errorf("%v, %v", v, err)
	}
	if field, err := Unknown[int]("reversed", nil); err != nil || field != "all" {
		t.Errorf("%s, %v", field, err)
	}
	// Protobuf messages do not change, and JSON stays what it was.
	want, _ := Marshal(wrapperspb.String("x"))
	if data, err := MarshalAs("reversed", wrapperspb.String("x")); err != nil || string(data) != string(want) {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := MarshalAs(JSON, 123); err != nil || string(data) != "123" {
		t.Errorf("%s, %v", data, err)
	}
	// A message's own choice is above the client's.
	for _, as := range []string{JSON, "reversed", "nobody's"} {
		p, err := Encode(as, choosy(123))
		if err != nil || p.Codec != "reversed" || string(p.Data) != "321" {
			t.Errorf("as %q: %+v, %v", as, p, err)
		}
	}
	if p, err := Pack(choosy(123)); err != nil || p.Codec != "reversed" || string(p.Data) != "321" || p.Value.Type() != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := Encode("reversed", wrapperspb.String("x")); err != nil || p.Codec != "reversed" || string(p.Data) != string(want) {
		t.Errorf("%+v, %v", p, err)
	}
	_, err := MarshalAs("reversed", 13)
	if p, ok := err.(*Panic); !ok || strings.Contains(err.Error()+p.Where(), "secret") {
		t.Errorf("a panic: %v", err)
	}
}

func TestCodecsThatAreRefused(t *testing.T) {
	for _, name := range []string{"", "Reversed", strings.Repeat("x", 999)} {
		if err := Known(name); err == nil || !strings.Contains(err.Error(), `the program that refuses it has JSON (which has no name), "reversed"; import the codec`) || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	if err := Known("reversed"); err != nil {
		t.Error(err)
	}
	_, one := MarshalAs("nobody's", 1)
	_, two := Encode("nobody's", choosyNot(1))
	_, three := MarshalAs("reversed", 1.5)
	four := CheckAs("reversed", reflect.TypeFor[float64]())
	five := CheckAs("nobody's", reflect.TypeFor[int]())
	six := CheckAs("reversed", reflect.TypeFor[chan int]())
	_, seven := UnmarshalAs[float64]("reversed", []byte("1"))
	_, eight := UnmarshalAs[int]("nobody's", []byte("1"))
	_, nine := Unknown[int]("nobody's", []byte("1"))
	for i, err := range []error{one, two, three, four, five, nil, seven, eight, nine} {
		if (err == nil) != (i == 5) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	for _, err := range []error{one, two, three, four, seven} {
		if _, ok := err.(*Invalid); !ok {
			t.Errorf("%v is a %T", err, err)
		}
	}
	if six != nil || CheckAs("reversed", reflect.TypeFor[wrapperspb.StringValue]()) != nil || CheckAs(JSON, reflect.TypeFor[float64]()) != nil {
		t.Error("a type is refused that can travel")
	}
	for _, c := range []*Codec{reversed, {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was registered", c.Name)
				}
			}()
			Register(c)
		}()
	}
}

type choosyNot int
