// The encoders: which tags they read, and how a type encodes itself for them

package lossless

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
)

// format is what is to be known about an encoder.
type format struct {
	name   string
	tags   []string // of a field: the first one that it has counts
	nameIn func(tag string) string
	own    []marshaler // how a type encodes itself: the first that it has counts
	copies bool        // it calls the methods of a pointer for a value that it cannot take the address of, too
}

var (
	asJSON = &format{name: "JSON", tags: []string{"json"}, nameIn: JSONName, own: []marshaler{jsonMarshaler, textMarshaler}}
	asCBOR = &format{name: "CBOR", tags: []string{"cbor", "json"}, nameIn: anyName, own: []marshaler{cborMarshaler, binaryMarshaler, textMarshaler}, copies: true}
)

// marshaler is a pair of methods.
type marshaler struct {
	of                 reflect.Type // an interface with the first of them
	marshal, unmarshal method
}

// method finds a method. Each is named in the code, so that the linker keeps it, and
// not every method of every type.
type method struct {
	name string
	of   func(reflect.Type) (reflect.Method, bool)
}

var (
	jsonMarshaler = marshaler{reflect.TypeFor[json.Marshaler](),
		method{"MarshalJSON", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalJSON") }},
		method{"UnmarshalJSON", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("UnmarshalJSON") }}}
	textMarshaler = marshaler{reflect.TypeFor[encoding.TextMarshaler](),
		method{"MarshalText", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalText") }},
		method{"UnmarshalText", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("UnmarshalText") }}}
	binaryMarshaler = marshaler{reflect.TypeFor[encoding.BinaryMarshaler](),
		method{"MarshalBinary", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalBinary") }},
		method{"UnmarshalBinary", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("UnmarshalBinary") }}}
	cborMarshaler = marshaler{reflect.TypeFor[interface{ MarshalCBOR() ([]byte, error) }](),
		method{"MarshalCBOR", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalCBOR") }},
		method{"UnmarshalCBOR", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("UnmarshalCBOR") }}}
)

// tag returns what the tag of a field says to the encoder.
func (f *format) tag(of reflect.StructField) string {
	for _, name := range f.tags {
		if tag := of.Tag.Get(name); tag != "" {
			return tag
		}
	}
	return ""
}

// anyName returns the name in a tag.
func anyName(tag string) string {
	name, _, _ := strings.Cut(tag, ",")
	return name
}

// JSONName returns the name in a tag, if encoding/json takes it. A name with a rune that encoding/json does not take, such as €, counts
// as none, and the field is called as in Go.
func JSONName(tag string) string {
	name := anyName(tag)
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
	}) {
		return ""
	}
	return name
}

func (f *format) isMarshaler(t reflect.Type) bool {
	for _, m := range f.own {
		if reflect.PointerTo(t).Implements(m.of) {
			return true
		}
	}
	return false
}
