// The ops that read: one of each kind

package plainjson

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
)

// reader is how far data was read.
type reader struct {
	data []byte
	at   int
}

// skip passes over a text, if it comes next.
func (r *reader) skip(text string) bool {
	if len(r.data)-r.at < len(text) || string(r.data[r.at:r.at+len(text)]) != text {
		return false
	}
	r.at += len(text)
	return true
}

// next passes over a byte, if it comes next.
func (r *reader) next(c byte) bool {
	if r.at == len(r.data) || r.data[r.at] != c {
		return false
	}
	r.at++
	return true
}

// text reads a string without escapes. It returns what is between the quotes.
func (r *reader) text() (text []byte, ok bool) {
	if !r.next('"') {
		return nil, false
	}
	n := textEnd(r.data[r.at:])
	if n < 0 {
		return nil, false
	}
	text = r.data[r.at : r.at+n]
	r.at += n + 1
	return text, true
}

// list reads what is between two brackets, with commas between. item reads one item.
func (r *reader) list(open, shut byte, item func() bool) bool {
	if !r.next(open) {
		return false
	}
	if r.next(shut) {
		return true
	}
	for {
		if !item() {
			return false
		}
		if !r.next(',') {
			return r.next(shut)
		}
	}
}

func readBool(r *reader, v reflect.Value, _ int) bool {
	if r.skip("true") {
		v.SetBool(true)
		return true
	}
	return r.skip("false")
}

// mostDigits is how many digits a number may have that fits 64 bits for sure.
const mostDigits = 18

// whole reads a number without a sign, a fraction and an exponent.
func (r *reader) whole() (n uint64, ok bool) {
	from := r.at
	for ; r.at < len(r.data) && r.data[r.at]-'0' <= 9; r.at++ {
		n = n*10 + uint64(r.data[r.at]-'0') // it may overflow, and is refused then
	}
	digits := r.at - from
	return n, digits == 1 || digits > 1 && digits <= mostDigits && r.data[from] != '0'
}

func readInt(r *reader, v reflect.Value, _ int) bool {
	minus := r.next('-')
	u, ok := r.whole()
	n := int64(u)
	if minus {
		n = -n
	}
	if !ok || v.OverflowInt(n) {
		return false
	}
	v.SetInt(n)
	return true
}

func readUint(r *reader, v reflect.Value, _ int) bool {
	n, ok := r.whole()
	if !ok || v.OverflowUint(n) {
		return false
	}
	v.SetUint(n)
	return true
}

// readFloat reads a number without an exponent.
func readFloat(r *reader, v reflect.Value, _ int) bool {
	from := r.at
	r.next('-')
	if _, ok := r.whole(); !ok {
		return false
	}
	if r.next('.') {
		begin := r.at
		for r.at < len(r.data) && r.data[r.at]-'0' <= 9 {
			r.at++
		}
		if r.at == begin {
			return false
		}
	}
	f, err := strconv.ParseFloat(string(r.data[from:r.at]), v.Type().Bits())
	if err != nil {
		return false
	}
	v.SetFloat(f)
	return true
}

func readString(r *reader, v reflect.Value, _ int) bool {
	text, ok := r.text()
	if ok {
		v.SetString(string(text))
	}
	return ok
}

func readBytes(r *reader, v reflect.Value, _ int) bool {
	if r.skip("null") {
		return true
	}
	text, ok := r.text()
	if !ok {
		return false
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	if err != nil {
		return false
	}
	v.SetBytes(b[:n])
	return true
}

func readTime(r *reader, v reflect.Value, _ int) bool {
	from := r.at
	if _, ok := r.text(); !ok {
		return false
	}
	return v.Addr().Interface().(*time.Time).UnmarshalJSON(r.data[from:r.at]) == nil
}

func readSlice(elem *ops, r *reader, v reflect.Value, deep int) bool {
	switch {
	case r.skip("null"):
		return true
	case deep >= mostDeep:
		return false
	}
	v.Grow(1) // it is empty then, and not nil
	n := 0
	return r.list('[', ']', func() bool {
		if n == v.Cap() {
			v.Grow(1)
		}
		n++
		v.SetLen(n)
		return elem.read(r, v.Index(n-1), deep+1)
	})
}

func readPointer(elem *ops, of reflect.Type, r *reader, v reflect.Value, deep int) bool {
	switch {
	case r.skip("null"):
		return true
	case deep >= mostDeep:
		return false
	}
	to := reflect.New(of)
	v.Set(to)
	return elem.read(r, to.Elem(), deep+1)
}

func readMap(elem *ops, of reflect.Type, r *reader, v reflect.Value, deep int) bool {
	switch {
	case r.skip("null"):
		return true
	case deep >= mostDeep:
		return false
	}
	v.Set(reflect.MakeMap(of))
	name, value := reflect.New(of.Key()).Elem(), reflect.New(of.Elem()).Elem()
	return r.list('{', '}', func() bool {
		text, ok := r.text()
		if !ok || !r.next(':') {
			return false
		}
		name.SetString(string(text))
		value.SetZero()
		if !elem.read(r, value, deep+1) {
			return false
		}
		v.SetMapIndex(name, value)
		return true
	})
}

// readStruct reads fields in their order. Some may be left out.
func readStruct(fields []field, r *reader, v reflect.Value, deep int) bool {
	if !r.next('{') {
		return false
	}
	if r.next('}') {
		return true
	}
	for i := range fields {
		f := &fields[i]
		if !r.skip(f.name) {
			continue
		}
		if !f.of.read(r, f.in(v), deep) {
			return false
		}
		if !r.next(',') {
			return r.next('}')
		}
	}
	return false // an unknown field, or one out of order
}
