package plain_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/plain/plaintest"
)

// basics are the types that hold no others, some of them made by hand.
var basics = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](),
	reflect.TypeFor[text](), reflect.TypeFor[octet](), reflect.TypeFor[inner](), reflect.TypeFor[Shown](), reflect.TypeFor[deep](), reflect.TypeFor[tree](), reflect.TypeFor[wide](),
	reflect.TypeFor[marshals](), reflect.TypeFor[decodes](), reflect.TypeFor[json.Number](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any](), reflect.TypeFor[func()](),
}

// compare makes a type and a value, and compares the two ways. It returns whether the type was plain, and whether the value was copied.
func compare(t *testing.T, data []byte) (isPlain, copied bool) {
	s := &plaintest.Source{Left: data, Basics: basics}
	typ := s.Type()
	of := plain.Of(typ)
	if of == nil || codec.Check(typ) != nil {
		return false, false
	}
	base := typ
	if typ.Kind() == reflect.Pointer {
		base = typ.Elem()
	}
	m := reflect.New(base)
	s.Fill(m.Elem())
	v, ok := plain.CopyAny(of, m.Interface())
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
	value, ok := plain.CopyAny(of, m.Elem().Interface())
	if where := differs(reflect.ValueOf(plain.Pointer(&value)).Elem(), as.Elem()); !ok || where != "" {
		t.Fatalf("%v: it%s is different where it is no pointer", typ, where)
	}
	return true, true
}

// FuzzCopy compares a copy with what the codec makes, for types and values that are made of bytes.
func FuzzCopy(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(plaintest.Random(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, data) })
}

// TestRandomCopies is FuzzCopy with many bytes, and sees to it that enough of the types are plain.
func TestRandomCopies(t *testing.T) {
	types, values := 0, 0
	const all = 5000
	for seed := range uint64(all) {
		isPlain, copied := compare(t, plaintest.Random(seed))
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
		v, ok := plain.Copy(of, string(text))
		data, err := json.Marshal(string(text))
		if !ok || err != nil || v.Size() < len(data) {
			t.Fatalf("%q: a size of %d (%v) for %d bytes (%v)", string(text), v.Size(), ok, len(data), err)
		}
		if short := bytes.Count(data, []byte(`\n`)) + bytes.Count(data, []byte(`\t`)); v.Size() > len(data)+4*short {
			t.Fatalf("%q: a size of %d for %d bytes", string(text), v.Size(), len(data))
		}
	}
}
