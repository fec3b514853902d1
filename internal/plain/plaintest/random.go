// Types and values at random

package plaintest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"time"
)

// Source makes types and values of bytes, for tests that compare two ways to treat a value.
type Source struct {
	Left   []byte
	Basics []reflect.Type // that hold no others, or are made by hand
}

// Type makes a type.
func (s *Source) Type() reflect.Type { return s.makeType(0) }

// Fill fills a value that can be set.
func (s *Source) Fill(v reflect.Value) { s.fill(v, 0) }

func (s *Source) next(n int) int {
	if len(s.Left) == 0 {
		return 0
	}
	b := s.Left[0]
	s.Left = s.Left[1:]
	return int(b) % n
}

func (s *Source) word() uint64 {
	var w uint64
	for range 8 {
		w = w<<8 | uint64(s.next(256))
	}
	return w
}

var tags = []string{"", "", "", `json:"x"`, `json:"X"`, `json:"y,omitempty"`, `json:",omitempty"`, `json:"-"`, `json:"-,"`, `json:"f1"`, `json:",string"`, `json:",omitzero"`, `json:"a b"`, `json:"é"`, `json:"\"q"`}

func (s *Source) makeType(deep int) reflect.Type {
	if deep > 3 {
		return s.Basics[s.next(len(s.Basics))]
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
	return s.Basics[s.next(len(s.Basics))]
}

var texts = []string{"", "a", "plain text", "\xff", "ab\xc3", "\u2028", "<&>", "\"\\", "\x00\x1f", "日本語", "\ufffd", "12345678\n12345678é12345678"}

func (s *Source) fill(v reflect.Value, deep int) {
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

// Random returns bytes for a [Source].
func Random(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, 16+r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
