// The ops: one of each kind

package plain

import (
	"encoding/base64"
	"math/bits"
	"reflect"
	"time"
	"unsafe"
)

// mostDeep bounds pointers, slices and maps in each other. What is deeper may be a circle.
const mostDeep = 100

func copyBool(dst, src unsafe.Pointer, _ int) int {
	if dst != src {
		*(*bool)(dst) = *(*bool)(src)
	}
	return len("false")
}

func copyInt[N int | int8 | int16 | int32 | int64 | uint | uint8 | uint16 | uint32 | uint64 | uintptr](dst, src unsafe.Pointer, _ int) int {
	n := *(*N)(src)
	if dst != src {
		*(*N)(dst) = n
	}
	size, u := 1, uint64(n)
	if n < 0 {
		size, u = 2, -u
	}
	return size + bits.Len64(u)*1233>>12 // 1233/4096 is a little more than log10(2)
}

// mostFloat is the longest number that encoding/json writes of a float.
const mostFloat = len("-0.0000012345678901234567")

func copyFloat[F float32 | float64](dst, src unsafe.Pointer, _ int) int {
	f := *(*F)(src)
	if dst != src {
		*(*F)(dst) = f
	}
	if f-f != 0 { // not a number, or infinite
		return refuse
	}
	return mostFloat
}

func copyString(dst, src unsafe.Pointer, _ int) int {
	s := *(*string)(src)
	if dst != src {
		*(*string)(dst) = s
	}
	return textSize(s)
}

// mostTime is the longest time that encoding/json writes.
const mostTime = len(`"2006-01-02T15:04:05.999999999+07:00"`)

// copyTime gives what is left of a time: a moment, with an offset where a place was.
func copyTime(dst, src unsafe.Pointer, _ int) int {
	t := *(*time.Time)(src)
	_, offset := t.Zone()
	switch {
	case offset%60 != 0: // JSON drops the seconds, and so makes another moment of it
		return refuse
	case offset == 0:
		t = t.UTC()
		if year := t.Year(); year < 0 || year > 9999 {
			return refuse
		}
		*(*time.Time)(dst) = t.Round(0)
		return mostTime
	}
	text, err := t.MarshalText()
	if err != nil {
		return refuse
	}
	*(*time.Time)(dst) = time.Time{}
	if (*time.Time)(dst).UnmarshalText(text) != nil {
		return refuse
	}
	return mostTime
}

// header is a slice as the runtime has it.
type header struct {
	data     unsafe.Pointer
	len, cap int
}

func copyBytes(dst, src unsafe.Pointer, _ int) int {
	b := *(*[]byte)(src)
	if b == nil {
		*(*[]byte)(dst) = nil
		return len("null")
	}
	own := make([]byte, len(b))
	copy(own, b)
	*(*[]byte)(dst) = own
	return len(`""`) + base64.StdEncoding.EncodedLen(len(b))
}

func ofSlice(elem *made, t reflect.Type) op {
	size := t.Elem().Size()
	empty := reflect.MakeSlice(t, 0, 0)
	return func(dst, src unsafe.Pointer, deep int) int {
		from := *(*header)(src)
		to := reflect.NewAt(t, dst).Elem()
		switch {
		case from.data == nil:
			to.SetZero()
			return len("null")
		case from.len == 0:
			to.Set(empty)
			return len("[]")
		case deep >= mostDeep:
			return refuse
		}
		to.SetZero()
		to.Grow(from.len) // its elements are zero
		to.SetLen(from.len)
		return copyAll(elem.copy, to.UnsafePointer(), from.data, from.len, size, deep+1)
	}
}

func ofArray(elem *made, t reflect.Type) op {
	n, size := t.Len(), t.Elem().Size()
	return func(dst, src unsafe.Pointer, deep int) int { return copyAll(elem.copy, dst, src, n, size, deep) }
}

func copyAll(elem op, dst, src unsafe.Pointer, n int, size uintptr, deep int) int {
	total := len("[]") + n
	for i := range n {
		at := uintptr(i) * size
		one := elem(unsafe.Add(dst, at), unsafe.Add(src, at), deep)
		if one < 0 {
			return refuse
		}
		total += one
	}
	return total
}

func ofPointer(elem *made, t reflect.Type) op {
	return func(dst, src unsafe.Pointer, deep int) int {
		from := *(*unsafe.Pointer)(src)
		if from == nil {
			*(*unsafe.Pointer)(dst) = nil
			return len("null")
		}
		if deep >= mostDeep {
			return refuse
		}
		to := reflect.New(t).UnsafePointer()
		*(*unsafe.Pointer)(dst) = to
		return elem.copy(to, from, deep+1)
	}
}

func ofMap(key, elem *made, t reflect.Type) op {
	return func(dst, src unsafe.Pointer, deep int) int {
		from := reflect.NewAt(t, src).Elem()
		if from.IsNil() {
			*(*unsafe.Pointer)(dst) = nil
			return len("null")
		}
		if deep >= mostDeep {
			return refuse
		}
		to := reflect.MakeMapWithSize(t, from.Len())
		k, v := reflect.New(t.Key()), reflect.New(t.Elem())
		kAt, vAt := k.UnsafePointer(), v.UnsafePointer()
		total := len("{}")
		for all := from.MapRange(); all.Next(); {
			k.Elem().SetIterKey(all)
			v.Elem().SetIterValue(all)
			name, one := key.copy(kAt, kAt, deep+1), elem.copy(vAt, vAt, deep+1)
			if name < 0 || one < 0 {
				return refuse
			}
			to.SetMapIndex(k.Elem(), v.Elem())
			total += name + one + len(`"":,`)
		}
		reflect.NewAt(t, dst).Elem().Set(to)
		return total
	}
}

func ofStruct(fields []field) op {
	return func(dst, src unsafe.Pointer, deep int) int {
		total := len("{}")
		for i := range fields {
			f := &fields[i]
			to := unsafe.Add(dst, f.at)
			if f.drop != nil {
				if dst == src {
					reflect.NewAt(f.drop, to).Elem().SetZero()
				}
				continue
			}
			from := unsafe.Add(src, f.at)
			if f.empty != nil && f.empty(to, from, deep) == 0 {
				continue
			}
			one := f.of.copy(to, from, deep)
			if one < 0 {
				return refuse
			}
			total += one + f.extra
		}
		return total
	}
}

// whenEmpty returns an op for a field that JSON leaves out if it is empty, so that it is zero at the other end. The op
// returns 0 if it was. It is nil for a type without an empty value that differs from zero.
func whenEmpty(t reflect.Type) op {
	var isEmpty func(reflect.Value) bool
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		isEmpty = func(v reflect.Value) bool { return v.Len() == 0 }
	case reflect.Float32, reflect.Float64: // encoding/json asks reflect whether minus zero is zero
		isEmpty = reflect.Value.IsZero
	default:
		return nil
	}
	return func(dst, src unsafe.Pointer, _ int) int {
		if !isEmpty(reflect.NewAt(t, src).Elem()) {
			return 1
		}
		reflect.NewAt(t, dst).Elem().SetZero()
		return 0
	}
}
