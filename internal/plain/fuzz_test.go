package plain_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/plain/plaintest"
)

// source makes types and values of bytes.
type source struct{ left []byte }

func (s *source) next(n int) int {
	if len(s.left) == 0 {
		return 0
	}
	b := s.left[0]
	s.left = s.left[1:]
	return int(b) % n
}

func (s *source) word() uint64 {
	var w uint64
	for range 8 {
		w = w<<8 | uint64(s.next(256))
	}
	return w
}

// basics are the types that hold no others, some of them made by hand.
var basics = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](),
	reflect.TypeFor[text](), reflect.TypeFor[octet](), reflect.TypeFor[inner](), reflect.TypeFor[Shown](), reflect.TypeFor[deep](), reflect.TypeFor[tree](), reflect.TypeFor[wide](),
	reflect.TypeFor[marshals](), reflect.TypeFor[decodes](), reflect.TypeFor[json.Number](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any](), reflect.TypeFor[func()](),
}

var tags = []string{"", "", "", `json:"x"`, `json:"X"`, `json:"y,omitempty"`, `json:",omitempty"`, `json:"-"`, `json:"-,"`, `json:"f1"`, `json:",string"`, `json:",omitzero"`, `json:"a b"`, `json:"é"`, `json:"\"q"`}

func (s *source) makeType(deep int) reflect.Type {
	if deep > 3 {
		return basics[s.next(len(basics))]
	}
	switch s.next(9) {
	case 0:
		return reflect.SliceOf(s.makeType(deep + 1))
	case 1:
		return reflect.ArrayOf(s.next(4), s.makeType(deep+1))
	case 2:
		return reflect.PointerTo(s.makeType(deep + 1))
	case 3:
		key := s.makeType(4)
		if !key.Comparable() || key.Kind() == reflect.Interface {
			key = reflect.TypeFor[string]()
		}
		return reflect.MapOf(key, s.makeType(deep+1))
	case 4, 5, 6:
		var fields []reflect.StructField
		for i := range s.next(6) {
			f := reflect.StructField{Name: "F" + string(rune('0'+i)), Type: s.makeType(deep + 1), Tag: reflect.StructTag(tags[s.next(len(tags))])}
			if s.next(8) == 0 && f.Type.Kind() == reflect.Struct && f.Type.NumMethod() == 0 && reflect.PointerTo(f.Type).NumMethod() == 0 {
				f.Anonymous = true
			}
			fields = append(fields, f)
		}
		return reflect.StructOf(fields)
	}
	return basics[s.next(len(basics))]
}

var texts = []string{"", "a", "plain text", "\xff", "ab\xc3", "\u2028", "<&>", "\"\\", "\x00\x1f", "日本語", "\ufffd", "12345678\n12345678é12345678"}

func (s *source) fill(v reflect.Value, deep int) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		t := time.Unix(int64(s.word()>>(27+s.next(8)))-62135596800, int64(s.next(256))*1001)
		v.Set(reflect.ValueOf([]time.Time{t.UTC(), t, {}, t.In(time.FixedZone("x", s.next(200)*900-60000)), t.In(time.FixedZone("", s.next(100)))}[s.next(5)]))
		return
	case !v.CanSet() || deep > 6:
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(s.next(2) == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(s.word()) >> s.next(64))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(s.word() >> s.next(64))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), 1.5, math.Float64frombits(s.word()), float64(s.next(256)) * 1e-7, 1e21, math.SmallestNonzeroFloat32, 123456789}[s.next(8)])
	case reflect.String:
		v.SetString(texts[s.next(len(texts))])
	case reflect.Slice:
		if n := s.next(5); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n-1, n))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			s.fill(v.Index(i), deep+1)
		}
	case reflect.Pointer:
		if s.next(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			s.fill(v.Elem(), deep+1)
		}
	case reflect.Map:
		if n := s.next(5); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n - 1 {
				k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				s.fill(k, deep+1)
				s.fill(e, deep+1)
				v.SetMapIndex(k, e)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			s.fill(v.Field(i), deep+1)
		}
	}
}

// compare makes a type and a value, and compares the two ways. It returns whether the type was plain, and whether the value was copied.
func compare(t *testing.T, data []byte) (isPlain, copied bool) {
	s := &source{left: data}
	typ := s.makeType(0)
	of := plain.Of(typ)
	if of == nil || codec.Check(typ) != nil {
		return false, false
	}
	base := typ
	if typ.Kind() == reflect.Pointer {
		base = typ.Elem()
	}
	before := reflect.New(base)
	s.fill(before.Elem(), 0)
	if v, ok := plain.CopyAny(of, plain.Message, before.Interface()); ok {
		v.Free() // the next copy is in its memory
	}
	m := reflect.New(base)
	s.fill(m.Elem(), 0)
	v, ok := plain.CopyAny(of, plain.Message, m.Interface())
	enc, err := codec.Marshal(m.Interface())
	as := reflect.New(base)
	if err == nil {
		err = codec.UnmarshalInto(enc, as.Interface())
	}
	if !ok || err != nil {
		if ok || err == nil && !hasOddTime(m) {
			t.Fatalf("%v %+v: copied %v, and its encoding %s gives the error %v", typ, m.Elem(), ok, enc, err)
		}
		return true, false
	}
	if where := differs(reflect.ValueOf(plain.Pointer(&v)).Elem(), as.Elem()); where != "" {
		t.Fatalf("%v: it%s is %+v, and by JSON %+v (%s)", typ, where, plain.Pointer(&v), as, enc)
	}
	if again, err := codec.Marshal(plain.Pointer(&v)); err != nil || !bytes.Equal(again, enc) {
		t.Fatalf("%v: the copy is encoded as %s (%v), and the message as %s", typ, again, err, enc)
	}
	if v.Size() < len(enc) {
		t.Fatalf("%v: a size of %d for %d bytes: %s", typ, v.Size(), len(enc), enc)
	}
	second := plain.Again(&v)
	if where := differs(reflect.ValueOf(second).Elem(), as.Elem()); where != "" {
		t.Fatalf("%v: the second copy of it%s differs", typ, where)
	}
	for _, two := range [][2]any{{plain.Pointer(&v), m.Interface()}, {second, plain.Pointer(&v)}, {second, m.Interface()}} {
		if where := plaintest.Shared(two[0], two[1]); where != "" {
			t.Fatalf("%v: %s is shared", typ, where)
		}
	}
	value, ok := plain.CopyAny(of, plain.Message, m.Elem().Interface())
	if where := differs(reflect.ValueOf(plain.Pointer(&value)).Elem(), as.Elem()); !ok || where != "" {
		t.Fatalf("%v: it%s is different where it is no pointer", typ, where)
	}
	return true, true
}

// FuzzCopy compares a copy with what the codec makes, for types and values that are made of bytes.
func FuzzCopy(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(randomBytes(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, data) })
}

// TestRandomCopies is FuzzCopy with many bytes, and sees to it that enough of the types are plain.
func TestRandomCopies(t *testing.T) {
	types, values := 0, 0
	const all = 5000
	for seed := range uint64(all) {
		isPlain, copied := compare(t, randomBytes(seed))
		if isPlain {
			types++
		}
		if copied {
			values++
		}
	}
	t.Logf("%d types, %d plain, %d values copied", all, types, values)
	if types < all/10 || values < all/20 {
		t.Error("too few to say anything")
	}
}

func randomBytes(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, 16+r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestTextSize: a text takes no more in JSON than its size says, and not much less.
func TestTextSize(t *testing.T) {
	of := plain.Of(reflect.TypeFor[string]())
	alphabet := []rune("abcdefghijklmnop \"\\<>&'\x00\x1f\x7f\n\té日\u2028\u2029\ufffd😀")
	r := rand.New(rand.NewPCG(1, 2))
	for range 50000 {
		text := make([]rune, r.IntN(40))
		odd := r.IntN(len(alphabet))
		for i := range text {
			if text[i] = alphabet[r.IntN(8)]; r.IntN(12) == 0 {
				text[i] = alphabet[odd]
			}
		}
		v, ok := plain.Copy(of, plain.Message, string(text))
		data, err := json.Marshal(string(text))
		if !ok || err != nil || v.Size() < len(data) {
			t.Fatalf("%q: a size of %d (%v) for %d bytes (%v)", string(text), v.Size(), ok, len(data), err)
		}
		if short := bytes.Count(data, []byte(`\n`)) + bytes.Count(data, []byte(`\t`)); v.Size() > len(data)+4*short {
			t.Fatalf("%q: a size of %d for %d bytes", string(text), v.Size(), len(data))
		}
	}
}

// TestEachByteOfText: each byte at each place of a longer text, with quiet bytes around it, and after one that has to be looked at
// more closely.
func TestEachByteOfText(t *testing.T) {
	of := plain.Of(reflect.TypeFor[string]())
	for _, around := range []string{strings.Repeat("x", 41), strings.Repeat(" ", 41), "x<" + strings.Repeat("~", 39)} {
		for at := range len(around) {
			for c := range 256 {
				text := around[:at] + string([]byte{byte(c)}) + around[at:]
				v, ok := plain.Copy(of, plain.Message, text)
				if ok != utf8.ValidString(text) {
					t.Fatalf("%q: copied: %v", text, ok)
				}
				data, err := json.Marshal(text)
				short := 0 // \n and the like take two bytes, and are counted as six
				for _, escaped := range []string{`\n`, `\t`, `\r`, `\b`, `\f`} {
					short += 4 * bytes.Count(data, []byte(escaped))
				}
				if ok && (err != nil || v.Size() < len(data) || v.Size() > len(data)+short) {
					t.Fatalf("%q: a size of %d for %d bytes (%v)", text, v.Size(), len(data), err)
				}
			}
		}
	}
}
