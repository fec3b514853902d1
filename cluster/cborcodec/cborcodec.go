// The codec: how CBOR is written and read, and what is refused

package cborcodec

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/lossless"
)

// Name is the codec's name: cluster.ClientOptions.Codec, and what a message's MessageCodec returns.
const Name = "cbor"

func init() {
	codec.Register(&codec.Codec{Name: Name, Lossy: lossless.CheckCBOR, Marshal: marshal, Unmarshal: unmarshal, Unknown: unknown})
}

var (
	encoder = must(cbor.EncOptions{
		Sort:          cbor.SortBytewiseLexical, // tries of one message are the same bytes
		Time:          cbor.TimeRFC3339Nano,
		TimeTag:       cbor.EncTagRequired,
		OmitEmpty:     cbor.OmitEmptyGoValue,
		TextMarshaler: cbor.TextMarshalerTextString,
	}.EncMode())

	decoding = cbor.DecOptions{
		MaxNestedLevels:  10_000, // the same as in encoding/json
		MaxArrayElements: math.MaxInt32,
		MaxMapPairs:      math.MaxInt32, // a message's size bounds both
		IntDec:           cbor.IntDecConvertSignedOrBigInt,
		DefaultMapType:   reflect.TypeFor[map[string]any](),
		TextUnmarshaler:  cbor.TextUnmarshalerTextString,
	}
	decoder = must(decoding.DecMode())
	strict  = must(strictly(decoding).DecMode())
)

func strictly(o cbor.DecOptions) cbor.DecOptions {
	o.ExtraReturnErrors = cbor.ExtraDecErrorUnknownField
	return o
}

// must is for options that never change.
func must[M any](mode M, err error) M {
	if err != nil {
		panic(err)
	}
	return mode
}

func marshal(v any) ([]byte, error) {
	if deeper(reflect.ValueOf(v), mostDeep) {
		return nil, &codec.Invalid{Type: reflect.TypeOf(v), Reason: fmt.Errorf("it is more than %d levels deep, or holds itself", mostDeep)}
	}
	data, err := encoder.Marshal(v)
	if err != nil {
		return nil, err
	}
	if !isUTF8(data) {
		where := lossless.NotUTF8(v)
		if where == "" {
			where = "what its own code writes"
		}
		return nil, &codec.Invalid{Type: reflect.TypeOf(v), Reason: fmt.Errorf("%s holds text that is not UTF-8: use []byte", where)}
	}
	return data, nil
}

func unmarshal(data []byte, target any) error {
	if err := decoder.Unmarshal(data, target); err != nil {
		return &decodeError{err}
	}
	return nil
}

func unknown(data []byte, target any) (field string, err error) {
	err = strict.Unmarshal(data, target)
	if e, ok := errors.AsType[*cbor.UnknownFieldError](err); ok {
		return fmt.Sprintf("number %d of a map", e.Index+1), nil
	}
	if err != nil {
		return "", &decodeError{err}
	}
	return "", nil
}

// decodeError says what is wrong with bytes without showing a part of them, because errors are logged
// and payloads are not.
type decodeError struct{ err error }

// Error implements error.
func (e *decodeError) Error() string {
	switch err := e.err.(type) {
	case *cbor.UnmarshalTypeError:
		if err.StructFieldName != "" {
			return fmt.Sprintf("field %q is a %s, not a %s", err.StructFieldName, err.CBORType, err.GoType)
		}
		return fmt.Sprintf("a %s, not a %s", err.CBORType, err.GoType)
	case *cbor.SyntaxError, *cbor.SemanticError, *cbor.ExtraneousDataError, *cbor.MaxNestedLevelError:
		return err.Error()
	}
	return fmt.Sprintf("not CBOR, or a field's own decoding failed (%T)", e.err)
}

// Unwrap returns what the decoder has said.
func (e *decodeError) Unwrap() error { return e.err }
