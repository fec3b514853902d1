package lossless

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

type (
	byBinary  struct{ cents int }
	byText    struct{ cents int }
	byCBOR    struct{ cents int }
	jsonSlice []byte
	halfCBOR  struct {
		byCBOR
		Name string
	}
)

func (b *byBinary) MarshalBinary() ([]byte, error) { return []byte{byte(b.cents)}, nil }
func (b byText) MarshalText() ([]byte, error)      { return []byte{byte(b.cents)}, nil }
func (b byCBOR) MarshalCBOR() ([]byte, error)      { return []byte{byte(b.cents)}, nil }
func (j jsonSlice) MarshalJSON() ([]byte, error)   { return j, nil }

// tagged is a struct with fields of names and tags that vet does not let stand here.
func tagged(fields ...string) any {
	var of []reflect.StructField
	for i := 0; i < len(fields); i += 2 {
		of = append(of, reflect.StructField{Name: fields[i], Type: reflect.TypeFor[int](), Tag: reflect.StructTag(fields[i+1])})
	}
	return reflect.Zero(reflect.StructOf(of)).Interface()
}

func TestCheckCBOR(t *testing.T) {
	for _, c := range []struct {
		v    any
		want []string // in the fault; none: there is none
	}{
		{v: 7},
		{v: []byte("x")},
		{v: &tree{}},
		{v: time.Time{}},
		{v: big.Int{}},
		{v: netip.Addr{}},
		{v: json.RawMessage{}},
		{v: jsonSlice{}}, // CBOR writes its bytes
		{v: onlyTime{}},
		{v: struct{ V any }{}},
		{v: byBinary{}},
		{v: map[string]byBinary{}}, // its method is called for a copy
		{v: map[byText]int{}},
		{v: struct{ Sum *byCBOR }{}},
		{v: struct{ byCBOR }{}},
		{v: tagged("A", `cbor:"x"`, "B", `cbor:"y" json:"x"`)},
		{v: tagged("A", `cbor:"-"`, "B", ``)},

		{amount{}, []string{"it is a lossless.amount", "unexported fields only (cents)", "CBOR leaves them out", "MarshalCBOR and UnmarshalCBOR"}},
		{map[amount]int{}, []string{"lossless.amount"}},
		{struct{ Sum byValue }{}, []string{"field Sum is a lossless.byValue, whose MarshalJSON is not called for CBOR", "MarshalCBOR"}},
		{[]*pointer{}, []string{"lossless.pointer", "MarshalJSON is not called"}},
		{generic[int]{}, []string{"MarshalJSON is not called"}},
		{own{}, []string{"field Time embeds time.Time", "MarshalBinary", "Name would be lost"}},
		{halfCBOR{}, []string{"field byCBOR embeds lossless.byCBOR", "MarshalCBOR", "Name would be lost"}},
		{tagged("A", `cbor:"x"`, "B", `json:"x"`), []string{`field A has the CBOR name "x", as B has`}},
		{tagged("A", `json:"B"`, "B", `json:",omitempty"`), []string{`has the CBOR name "B"`}},
	} {
		err := CheckCBOR(reflect.TypeOf(c.v))
		if (err != nil) != (len(c.want) > 0) {
			t.Errorf("%T: %v", c.v, err)
			continue
		}
		for _, word := range c.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%T: %q, want %q", c.v, err, word)
			}
		}
	}
}
