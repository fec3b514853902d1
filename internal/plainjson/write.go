// The ops that write: one of each kind

package plainjson

import (
	"cmp"
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
)

func writeBool(b []byte, v reflect.Value, _ int) ([]byte, bool) {
	return strconv.AppendBool(b, v.Bool()), true
}

func writeInt(b []byte, v reflect.Value, _ int) ([]byte, bool) {
	return strconv.AppendInt(b, v.Int(), 10), true
}

func writeUint(b []byte, v reflect.Value, _ int) ([]byte, bool) {
	return strconv.AppendUint(b, v.Uint(), 10), true
}

// writeFloat writes no number that is so large or small that encoding/json writes an exponent.
func writeFloat(b []byte, v reflect.Value, _ int) ([]byte, bool) {
	f := v.Float()
	if size := math.Abs(f); f != f || size >= 1e20 || size < 1e-5 && size != 0 {
		return b, false
	}
	return strconv.AppendFloat(b, f, 'f', -1, v.Type().Bits()), true
}

func writeString(b []byte, v reflect.Value, _ int) ([]byte, bool) { return appendText(b, v.String()) }

func appendText(b []byte, s string) ([]byte, bool) {
	if !written(s) {
		return b, false
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), true
}

func writeBytes(b []byte, v reflect.Value, _ int) ([]byte, bool) {
	if v.IsNil() {
		return append(b, "null"...), true
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, v.Bytes())
	return append(b, '"'), true
}

func writeTime(b []byte, v reflect.Value, _ int) ([]byte, bool) {
	b = append(b, '"')
	b, err := v.Interface().(time.Time).AppendText(b)
	return append(b, '"'), err == nil
}

// writeSlice writes what is no slice of bytes.
func writeSlice(elem *ops, b []byte, v reflect.Value, deep int) (_ []byte, ok bool) {
	switch {
	case v.IsNil():
		return append(b, "null"...), true
	case deep >= mostDeep:
		return b, false
	}
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, ok = elem.write(b, v.Index(i), deep+1); !ok {
			return b, false
		}
	}
	return append(b, ']'), true
}

func writePointer(elem *ops, b []byte, v reflect.Value, deep int) ([]byte, bool) {
	switch {
	case v.IsNil():
		return append(b, "null"...), true
	case deep >= mostDeep:
		return b, false
	}
	return elem.write(b, v.Elem(), deep+1)
}

// entry is an entry of a map.
type entry struct {
	key   string
	value reflect.Value
}

func writeMap(elem *ops, b []byte, v reflect.Value, deep int) (_ []byte, ok bool) {
	switch {
	case v.IsNil():
		return append(b, "null"...), true
	case deep >= mostDeep:
		return b, false
	}
	entries := make([]entry, 0, v.Len())
	for all := v.MapRange(); all.Next(); {
		entries = append(entries, entry{all.Key().String(), all.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	b = append(b, '{')
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		if b, ok = appendText(b, e.key); !ok {
			return b, false
		}
		if b, ok = elem.write(append(b, ':'), e.value, deep+1); !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

func writeStruct(fields []field, b []byte, v reflect.Value, deep int) (_ []byte, ok bool) {
	b = append(b, '{')
	first := true
	for i := range fields {
		f := &fields[i]
		of := f.in(v)
		if f.sparse && isEmpty(of) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if b, ok = f.of.write(append(b, f.name...), of, deep); !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}
