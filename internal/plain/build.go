// How a type is copied: one func for each type, made once

package plain

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unsafe"
)

// op copies what src points to into dst. It returns how many bytes the value takes when it is encoded, or a few more. A
// negative result says that the value must be encoded. dst points to a zero value, or is src itself. In the second case src
// was assigned from a value that other code has too. Then the op replaces what the two would share, and what JSON would
// change, and writes nothing else. deep is how many pointers, slices and maps are around the value.
type op func(dst, src unsafe.Pointer, deep int) int

// refuse is the result of an op for a value that must be encoded.
const refuse = -1

// made is the op of a type. It is filled when the types that it holds are known, because one of them may be
// the type itself.
type made struct{ copy op }

// builder makes the ops of one type and of all that it holds.
type builder struct {
	made    map[reflect.Type]*made
	refused bool // something in it is not plain
	shares  bool // it holds pointers, slices or maps
	alters  bool // JSON may give another value back
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	numberType = reflect.TypeFor[json.Number]()
	// own are the interfaces of types with code of their own.
	own = []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	}
)

// encodesItself reports whether a type has code of its own.
func encodesItself(t reflect.Type) bool {
	for _, i := range own {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

// of returns the op of a type.
func (b *builder) of(t reflect.Type) *made {
	if m, ok := b.made[t]; ok {
		return m
	}
	m := &made{}
	b.made[t] = m
	switch {
	case t == timeType:
		b.alters = true
		m.copy = copyTime
	case t == numberType || t.Kind() != reflect.Pointer && encodesItself(t): // a pointer has the methods of what it points to
		b.refused = true
	default:
		m.copy = b.byKind(t)
	}
	return m
}

func (b *builder) byKind(t reflect.Type) op {
	switch t.Kind() {
	case reflect.Bool:
		return copyBool
	case reflect.Int8:
		return copyInt[int8]
	case reflect.Int16:
		return copyInt[int16]
	case reflect.Int32:
		return copyInt[int32]
	case reflect.Int64:
		return copyInt[int64]
	case reflect.Int:
		return copyInt[int]
	case reflect.Uint8:
		return copyInt[uint8]
	case reflect.Uint16:
		return copyInt[uint16]
	case reflect.Uint32:
		return copyInt[uint32]
	case reflect.Uint64:
		return copyInt[uint64]
	case reflect.Uint:
		return copyInt[uint]
	case reflect.Uintptr:
		return copyInt[uintptr]
	case reflect.Float32:
		return copyFloat[float32]
	case reflect.Float64:
		return copyFloat[float64]
	case reflect.String:
		return copyString
	case reflect.Slice:
		return b.ofSlice(t)
	case reflect.Array:
		return ofArray(b.of(t.Elem()), t)
	case reflect.Pointer:
		return b.ofPointer(t)
	case reflect.Map:
		return b.ofMap(t)
	case reflect.Struct:
		return b.ofStruct(t)
	}
	b.refused = true // an interface, or what has no JSON
	return nil
}

func (b *builder) ofSlice(t reflect.Type) op {
	b.shares = true
	elem := b.of(t.Elem())
	if t.Elem().Kind() == reflect.Uint8 {
		return copyBytes
	}
	return ofSlice(elem, t)
}

func (b *builder) ofPointer(t reflect.Type) op {
	b.shares = true
	switch t.Elem().Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map: // null may be the pointer, or what it points to
		b.refused = true
		return nil
	}
	return ofPointer(b.of(t.Elem()), t.Elem())
}

func (b *builder) ofMap(t reflect.Type) op {
	b.shares = true
	switch k := t.Key().Kind(); {
	case k == reflect.String:
	case k >= reflect.Int && k <= reflect.Uintptr:
	default:
		b.refused = true
		return nil
	}
	return ofMap(b.of(t.Key()), b.of(t.Elem()), t)
}

// field is a field that JSON shows, or one that it leaves out.
type field struct {
	at    uintptr
	of    *made
	extra int          // bytes of its name, and around it
	empty op           // the op of a field that is left out if it is empty; nil for others
	drop  reflect.Type // of a field that is always left out; nil for others
}

func (b *builder) ofStruct(t reflect.Type) op {
	fields := b.collect(nil, t, 0, map[string]bool{})
	if b.refused {
		return nil
	}
	return ofStruct(fields)
}

// collect adds the fields of a struct and of the structs that it embeds, which is at the given offset. Two
// fields with one name are for the encoder: it may leave one out.
func (b *builder) collect(fields []field, t reflect.Type, at uintptr, names map[string]bool) []field {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		isStruct := f.Type.Kind() == reflect.Struct
		switch {
		case f.Anonymous && (f.Type.Kind() == reflect.Pointer || !f.IsExported() && name != ""):
			b.refused = true
			return nil
		case tag == "-", !f.IsExported() && !(f.Anonymous && isStruct):
			b.alters = true
			fields = append(fields, field{at: at + f.Offset, drop: f.Type})
			continue
		case f.Anonymous && name == "" && isStruct:
			if encodesItself(f.Type) {
				b.refused = true
				return nil
			}
			fields = b.collect(fields, f.Type, at+f.Offset, names)
			continue
		case name == "":
			name = f.Name
		case strings.ContainsFunc(name, unusual):
			b.refused = true
			return nil
		}
		if names[name] {
			b.refused = true
			return nil
		}
		names[name] = true
		made := field{at: at + f.Offset, of: b.of(f.Type), extra: len(name) + len(`"":,`)}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				made.empty = whenEmpty(f.Type)
				b.alters = b.alters || made.empty != nil
			case "omitzero", "string":
				b.refused = true
				return nil
			}
		}
		fields = append(fields, made)
	}
	return fields
}

// unusual reports whether a rune in a name needs a look at the rules for names in tags.
func unusual(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r)
}
