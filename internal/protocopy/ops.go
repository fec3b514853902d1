// The ops: one of each shape

package protocopy

import (
	"reflect"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is how messages of a struct type are copied. It is filled when the types that it holds are known, because one of
// them may be the type itself.
type message struct {
	of      reflect.Type
	steps   []step
	unknown uintptr // where fields are that the type does not know
}

type step struct {
	at   uintptr
	copy op
}

// fields copies all fields of a message.
func (m *message) fields(dst, src unsafe.Pointer, deep int) int {
	if len(*(*[]byte)(unsafe.Add(src, m.unknown))) > 0 { // the other end may take them for fields that it knows
		return refuse
	}
	total := 0
	for i := range m.steps {
		s := &m.steps[i]
		size := s.copy(unsafe.Add(dst, s.at), unsafe.Add(src, s.at), deep)
		if size < 0 {
			return refuse
		}
		total += size
	}
	return total
}

// shape makes the ops of a kind of values. A tag is a size here: that of a field's number.
type shape struct {
	is       reflect.Kind
	one      op                            // of a value without its tag, which is there in any case
	implicit func(tag int) op              // of a field that is not encoded if it is zero
	optional func(tag int) op              // of a field that is not encoded if it is nil
	list     func(tag int, packed bool) op // of a repeated field
}

// ofScalar is the shape of values that an assignment copies. size may refuse one.
func ofScalar[V comparable](is reflect.Kind, size func(V) int) shape {
	one := func(dst, src unsafe.Pointer, _ int) int {
		v := *(*V)(src)
		*(*V)(dst) = v
		return size(v)
	}
	return shape{
		is:  is,
		one: one,
		implicit: func(tag int) op {
			return func(dst, src unsafe.Pointer, _ int) int {
				var zero V
				v := *(*V)(src)
				if v == zero {
					return 0
				}
				*(*V)(dst) = v
				return with(tag, size(v))
			}
		},
		optional: func(tag int) op {
			return func(dst, src unsafe.Pointer, _ int) int {
				from := *(**V)(src)
				if from == nil {
					return 0
				}
				own := new(V)
				*own = *from
				*(**V)(dst) = own
				return with(tag, size(*own))
			}
		},
		list: func(tag int, packed bool) op {
			return func(dst, src unsafe.Pointer, _ int) int {
				from := *(*[]V)(src)
				if len(from) == 0 {
					return 0
				}
				own := append(make([]V, 0, len(from)), from...)
				*(*[]V)(dst) = own
				total := 0
				for _, v := range own {
					one := size(v)
					if one < 0 {
						return refuse
					}
					total += one
				}
				if packed {
					return tag + protowire.SizeBytes(total)
				}
				return len(own)*tag + total
			}
		},
	}
}

// with adds a tag to the size of a value.
func with(tag, size int) int {
	if size < 0 {
		return refuse
	}
	return tag + size
}

// textSize refuses text that is not UTF-8, because its encoder does.
func textSize(s string) int {
	if !utf8.ValidString(s) {
		return refuse
	}
	return protowire.SizeBytes(len(s))
}

// copyBytes never makes nil of what is empty: what is decoded is not nil either.
func copyBytes(dst, src unsafe.Pointer, _ int) int {
	from := *(*[]byte)(src)
	own := make([]byte, len(from))
	copy(own, from)
	*(*[]byte)(dst) = own
	return protowire.SizeBytes(len(from))
}

var ofBytes = shape{
	is:  reflect.Slice,
	one: copyBytes,
	implicit: func(tag int) op {
		return func(dst, src unsafe.Pointer, deep int) int {
			if len(*(*[]byte)(src)) == 0 {
				return 0
			}
			return tag + copyBytes(dst, src, deep)
		}
	},
	optional: func(tag int) op {
		return func(dst, src unsafe.Pointer, deep int) int {
			if *(*[]byte)(src) == nil {
				return 0
			}
			return tag + copyBytes(dst, src, deep)
		}
	},
	list: func(tag int, _ bool) op {
		return func(dst, src unsafe.Pointer, deep int) int {
			from := *(*[][]byte)(src)
			if len(from) == 0 {
				return 0
			}
			own := make([][]byte, len(from))
			*(*[][]byte)(dst) = own
			total := len(own) * tag
			for i := range own {
				total += copyBytes(unsafe.Pointer(&own[i]), unsafe.Pointer(&from[i]), deep)
			}
			return total
		}
	},
}

// ofMessage is the shape of messages in messages. A nil one is refused where it is not the same as none.
func ofMessage(m *message, isGroup bool) shape {
	one := func(dst, src unsafe.Pointer, deep int) int {
		from := *(*unsafe.Pointer)(src)
		if from == nil || deep >= mostDeep {
			return refuse
		}
		to := reflect.New(m.of).UnsafePointer()
		*(*unsafe.Pointer)(dst) = to
		size := m.fields(to, from, deep+1)
		if size < 0 || isGroup {
			return size
		}
		return protowire.SizeBytes(size)
	}
	return shape{
		one: one,
		optional: func(tag int) op {
			return func(dst, src unsafe.Pointer, deep int) int {
				if *(*unsafe.Pointer)(src) == nil {
					return 0
				}
				return with(tag, one(dst, src, deep))
			}
		},
		list: func(tag int, _ bool) op {
			return func(dst, src unsafe.Pointer, deep int) int {
				from := *(*[]unsafe.Pointer)(src)
				if len(from) == 0 {
					return 0
				}
				own := make([]unsafe.Pointer, len(from))
				*(*[]unsafe.Pointer)(dst) = own
				total := len(own) * tag
				for i := range own {
					size := one(unsafe.Pointer(&own[i]), unsafe.Pointer(&from[i]), deep)
					if size < 0 {
						return refuse
					}
					total += size
				}
				return total
			}
		},
	}
}

// oneCase is one of the structs that a oneof may hold: its only field is the value.
type oneCase struct {
	in  reflect.Type
	one op
	tag int
}

func ofOneof(t reflect.Type, cases map[reflect.Type]*oneCase) op {
	return func(dst, src unsafe.Pointer, deep int) int {
		field := reflect.NewAt(t, src).Elem()
		if field.IsNil() {
			return 0
		}
		from := field.Elem()
		c := cases[from.Type()]
		if c == nil { // a program's own type that embeds a case: it need not be a pointer
			return refuse
		}
		if from.IsNil() { // encoders take it for none
			return 0
		}
		to := reflect.New(c.in)
		reflect.NewAt(t, dst).Elem().Set(to)
		return with(c.tag, c.one(to.UnsafePointer(), from.UnsafePointer(), deep))
	}
}

// ofMap copies a map. Its encoding has a message of two fields for each key, and both are always there.
func ofMap(t reflect.Type, key, elem op, tag int) op {
	return func(dst, src unsafe.Pointer, deep int) int {
		from := reflect.NewAt(t, src).Elem()
		if from.Len() == 0 {
			return 0
		}
		to := reflect.MakeMapWithSize(t, from.Len())
		reflect.NewAt(t, dst).Elem().Set(to)
		k, v := reflect.New(t.Key()), reflect.New(t.Elem())
		kAt, vAt := k.UnsafePointer(), v.UnsafePointer()
		total := from.Len() * tag
		for all := from.MapRange(); all.Next(); {
			k.Elem().SetIterKey(all)
			v.Elem().SetIterValue(all)
			name, value := key(kAt, kAt, deep), elem(vAt, vAt, deep)
			if name < 0 || value < 0 {
				return refuse
			}
			to.SetMapIndex(k.Elem(), v.Elem())
			total += protowire.SizeBytes(2*oneTag + name + value)
		}
		return total
	}
}

// oneTag is the size of the tags of a map's keys and values.
const oneTag = 1
