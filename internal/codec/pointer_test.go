package codec_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/internal/codec"
)

type (
	pointed      struct{ A int }
	namedPointer *pointed
)

// TestPointerTypesWithNames: nothing can be decoded into a pointer type with a name of its own, so it is refused before it is sent,
// and when a handler is defined.
func TestPointerTypesWithNames(t *testing.T) {
	_, sent := codec.Encode(codec.JSON, namedPointer(&pointed{1}))
	_, packed := codec.Pack(namedPointer(&pointed{1}))
	_, named := codec.NameOf(reflect.TypeFor[namedPointer]())
	for what, err := range map[string]error{"Encode": sent, "Pack": packed, "NameOf": named, "Check": codec.Check(reflect.TypeFor[namedPointer]())} {
		if _, ok := errors.AsType[*codec.Invalid](err); !ok || !strings.Contains(err.Error(), "use *codec_test.pointed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if codec.Plain(reflect.TypeFor[namedPointer]()) != nil {
		t.Error("it is copied")
	}
	if err := codec.Check(reflect.TypeFor[*pointed]()); err != nil {
		t.Error(err)
	}
}
