// Values that must not be encoded: circles, and text that is not UTF-8

package cborcodec

import (
	"cmp"
	"encoding"
	"encoding/binary"
	"reflect"
	"sync"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// mostDeep bounds values in each other. The encoder has no bound of its own: a value that holds itself
// would end the process.
const mostDeep = 1000

// deeper reports whether v has more than so many levels. It looks only into types that allow it.
func deeper(v reflect.Value, levels int) bool {
	if !v.IsValid() || !endless(v.Type()) {
		return false
	}
	if levels == 0 {
		return true
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return deeper(v.Elem(), levels-1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if deeper(v.Index(i), levels-1) {
				return true
			}
		}
	case reflect.Map:
		for all := v.MapRange(); all.Next(); {
			if deeper(all.Key(), levels-1) || deeper(all.Value(), levels-1) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if isShown(v.Type().Field(i)) && deeper(v.Field(i), levels-1) {
				return true
			}
		}
	}
	return false
}

var endlessTypes sync.Map // reflect.Type -> bool

// endless reports whether values of a type may have any number of levels: it holds itself, or an interface.
func endless(t reflect.Type) bool {
	if known, ok := endlessTypes.Load(t); ok {
		return known.(bool)
	}
	is := isEndless(t, map[reflect.Type]bool{})
	endlessTypes.Store(t, is)
	return is
}

// isEndless looks at a type and all that it holds. seen is true for types that are being looked at, and false for
// those that were found to have an end.
func isEndless(t reflect.Type, seen map[reflect.Type]bool) bool {
	if open, known := seen[t]; known {
		return open
	}
	if encodesItself(t) {
		return false
	}
	seen[t] = true
	is := false
	switch t.Kind() {
	case reflect.Interface:
		is = true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		is = isEndless(t.Elem(), seen)
	case reflect.Map:
		is = isEndless(t.Key(), seen) || isEndless(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			is = is || isShown(f) && isEndless(f.Type, seen)
		}
	}
	seen[t] = is
	return is
}

// isShown reports whether a field is encoded.
func isShown(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && cmp.Or(f.Tag.Get("cbor"), f.Tag.Get("json")) != "-"
}

var own = []reflect.Type{reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler]()}

// encodesItself reports whether a type's own code encodes it.
func encodesItself(t reflect.Type) bool {
	for _, m := range own {
		if t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(m) {
			return true
		}
	}
	return false
}

// isUTF8 reports whether all texts in well-formed data are UTF-8.
func isUTF8(data []byte) bool {
	const byteString, text, indefinite = 2, 3, 31
	for len(data) > 0 {
		major, n := data[0]>>5, uint64(data[0]&31)
		data = data[1:]
		switch n {
		case 24:
			n, data = uint64(data[0]), data[1:]
		case 25:
			n, data = uint64(binary.BigEndian.Uint16(data)), data[2:]
		case 26:
			n, data = uint64(binary.BigEndian.Uint32(data)), data[4:]
		case 27:
			n, data = binary.BigEndian.Uint64(data), data[8:]
		case indefinite: // its parts follow, and then a break
			continue
		}
		if major != byteString && major != text {
			continue
		}
		if major == text && !utf8.Valid(data[:n]) {
			return false
		}
		data = data[n:]
	}
	return true
}
