// What is done for a type: made once for each, of what it holds

package plainjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// ops are the two ways of a type. deep is how many pointers, slices and maps are around the value. read is given a zero value.
type ops struct {
	write func(b []byte, v reflect.Value, deep int) ([]byte, bool)
	read  func(r *reader, v reflect.Value, deep int) bool
}

// mostDeep bounds pointers, slices and maps in each other. What is deeper may be a circle.
const mostDeep = 100

// builder makes the ops of one type and of all that it holds.
type builder struct {
	made    map[reflect.Type]*ops // filled when the types that it holds are known: one of them may be the type itself
	refused bool
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

// of returns the ops of a type.
func (b *builder) of(t reflect.Type) *ops {
	if o, ok := b.made[t]; ok {
		return o
	}
	o := &ops{}
	b.made[t] = o
	switch {
	case t == timeType:
		*o = ops{writeTime, readTime}
	case t == numberType || t.Kind() != reflect.Pointer && encodesItself(t): // a pointer has the methods of what it points to
		b.refused = true
	default:
		*o = b.byKind(t)
	}
	return o
}

func (b *builder) byKind(t reflect.Type) ops {
	switch k := t.Kind(); {
	case k == reflect.Bool:
		return ops{writeBool, readBool}
	case k >= reflect.Int && k <= reflect.Int64:
		return ops{writeInt, readInt}
	case k >= reflect.Uint && k <= reflect.Uintptr:
		return ops{writeUint, readUint}
	case k == reflect.Float32 || k == reflect.Float64:
		return ops{writeFloat, readFloat}
	case k == reflect.String:
		return ops{writeString, readString}
	case k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		b.of(t.Elem()) // it may have code of its own
		return ops{writeBytes, readBytes}
	case k == reflect.Slice:
		return ofSlice(b.of(t.Elem()))
	case k == reflect.Map && t.Key().Kind() == reflect.String:
		b.of(t.Key())
		return ofMap(b.of(t.Elem()), t)
	case k == reflect.Pointer:
		switch t.Elem().Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map: // null may be the pointer, or what it points to
		default:
			return ofPointer(b.of(t.Elem()), t.Elem())
		}
	case k == reflect.Struct:
		return ofStruct(b.fields(nil, t, nil, map[string]bool{}))
	}
	b.refused = true
	return ops{}
}

// field is a field of a struct, or of one that it embeds.
type field struct {
	index  []int
	name   string // as it is written: in quotes, and with a colon
	of     *ops
	sparse bool // it is left out if it is empty
}

// in returns the field of a struct.
func (f *field) in(v reflect.Value) reflect.Value {
	for _, i := range f.index {
		v = v.Field(i)
	}
	return v
}

// fields adds the fields of a struct, which is at the given index of a message, and of those that it embeds. Two fields with one
// name are for encoding/json: it may leave one out. Names that differ in case are, too.
func (b *builder) fields(all []field, t reflect.Type, at []int, names map[string]bool) []field {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		index := append(at[:len(at):len(at)], i)
		isStruct := f.Type.Kind() == reflect.Struct
		switch {
		case f.Anonymous && (f.Type.Kind() == reflect.Pointer || !f.IsExported() && name != ""):
			b.refused = true
			return nil
		case tag == "-", !f.IsExported() && !(f.Anonymous && isStruct):
			continue
		case f.Anonymous && name == "" && isStruct:
			if encodesItself(f.Type) {
				b.refused = true
				return nil
			}
			all = b.fields(all, f.Type, index, names)
			continue
		case name == "":
			name = f.Name
		}
		folded := strings.ToLower(name)
		if names[folded] || strings.ContainsFunc(name, unusual) {
			b.refused = true
			return nil
		}
		names[folded] = true
		made := field{index: index, name: `"` + name + `":`, of: b.of(f.Type)}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "":
			case "omitempty":
				made.sparse = true
			default:
				b.refused = true
				return nil
			}
		}
		all = append(all, made)
	}
	return all
}

// unusual reports whether a rune in a name needs a look at the rules for names.
func unusual(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r)
}

// isEmpty reports whether omitempty leaves a value out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
