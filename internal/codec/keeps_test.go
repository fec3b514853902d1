package codec

import (
	"encoding/json"
	"math/big"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// These have code of their own that gets the bytes to decode.
type (
	keepsJSON   struct{ kept []byte }
	keepsText   struct{ kept []byte }
	keepsBinary struct{ Kept []byte }
	keepsCBOR   struct{ Kept []byte }
	keepsProto  struct{ *wrapperspb.BytesValue }
	ofJSON      struct{ A keepsJSON }
	ofText      struct{ A keepsText }
	ofTextKey   struct{ A map[keepsTextKey]int }
	ofBinary    struct{ A []*keepsBinary }
	ofCBOR      struct{ A map[string]keepsCBOR }
	embedsOne   struct{ keepsCBOR }
)

type keepsTextKey string

func (o *keepsJSON) UnmarshalJSON(b []byte) error     { o.kept = b; return nil }
func (keepsJSON) MarshalJSON() ([]byte, error)        { return []byte("1"), nil }
func (o *keepsText) UnmarshalText(b []byte) error     { o.kept = b; return nil }
func (keepsText) MarshalText() ([]byte, error)        { return nil, nil }
func (*keepsTextKey) UnmarshalText([]byte) error      { return nil }
func (keepsTextKey) MarshalText() ([]byte, error)     { return nil, nil }
func (o *keepsBinary) UnmarshalBinary(b []byte) error { o.Kept = b; return nil }
func (o *keepsCBOR) UnmarshalCBOR(b []byte) error     { o.Kept = b; return nil }

// ProtoReflect shows a message of another type.
func (o *keepsProto) ProtoReflect() protoreflect.Message { return o.BytesValue.ProtoReflect() }

// TestKeepsNothing: bytes are lent only to codecs that copy what they keep.
func TestKeepsNothing(t *testing.T) {
	type deep struct{ Next *deep }
	type many struct {
		A string
		B []byte
		C map[string][]string
		D *int
		E time.Time
		F [3]bool
	}
	for _, c := range []struct {
		of   reflect.Type
		want bool
	}{
		{reflect.TypeFor[string](), true},
		{reflect.TypeFor[many](), true},
		{reflect.TypeFor[*many](), true},
		{reflect.TypeFor[deep](), true},
		{reflect.TypeFor[wrapperspb.BytesValue](), true},
		{reflect.TypeFor[*wrapperspb.BytesValue](), true},
		{reflect.TypeFor[*structpb.Struct](), true},
		{reflect.TypeFor[any](), false},
		{reflect.TypeFor[json.RawMessage](), false},
		{reflect.TypeFor[struct{ A json.RawMessage }](), false},
		{reflect.TypeFor[struct{ A any }](), false},
		{reflect.TypeFor[*big.Int](), false},
		{reflect.TypeFor[*dynamicpb.Message](), false},
		{reflect.TypeFor[*descriptorpb.FieldOptions](), false}, // it may have extensions
		{reflect.TypeFor[*keepsProto](), false},
		{reflect.TypeFor[keepsJSON](), false},
		{reflect.TypeFor[*keepsText](), false},
		{reflect.TypeFor[keepsBinary](), false},
		{reflect.TypeFor[*keepsCBOR](), false},
		{reflect.TypeFor[ofJSON](), false},
		{reflect.TypeFor[ofText](), false},
		{reflect.TypeFor[ofTextKey](), false},
		{reflect.TypeFor[ofBinary](), false},
		{reflect.TypeFor[ofCBOR](), false},
		{reflect.TypeFor[embedsOne](), false},
	} {
		if got := KeepsNothing(c.of); got != c.want {
			t.Errorf("%v: %v", c.of, got)
		}
	}
}
