package plainjson_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/plain/plaintest"
	"github.com/clstr-go/clstr/internal/plainjson"
)

type (
	name    string
	level   int8
	octet   byte
	Account struct {
		Number string `json:"number"`
		Owner  name   `json:"owner,omitempty"`
	}
	hidden struct {
		Level level
		Rate  float32 `json:"rate,omitempty"`
	}
	tree struct {
		Value string           `json:"v"`
		Left  *tree            `json:"l"`
		Many  []tree           `json:"m,omitempty"`
		By    map[string]*tree `json:"b,omitempty"`
	}
	wide struct {
		Account
		hidden
		On    bool              `json:"on,omitempty"`
		Count int               `json:"count"`
		Mask  uint64            `json:"mask,omitempty"`
		Price float64           `json:"price"`
		Bytes []byte            `json:"bytes"`
		Few   []octet           `json:"few,omitempty"`
		At    time.Time         `json:"at"`
		Tags  []string          `json:"tags"`
		Attrs map[string]string `json:"attrs"`
		Names map[name][]int    `json:"names,omitempty"`
		Opt   *float64          `json:"opt"`
		none  int
		Skip  string `json:"-"`
		Dash  string `json:"-,"` //lint:ignore SA5008 a name that some take for none
		Next  *wide  `json:",omitempty"`
	}
	marshals struct{ N int }
	prefers  string
)

func (marshals) MarshalJSON() ([]byte, error)      { return []byte("7"), nil }
func (p *prefers) UnmarshalText(text []byte) error { *p = prefers(text); return nil }

var basics = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](),
	reflect.TypeFor[name](), reflect.TypeFor[level](), reflect.TypeFor[octet](), reflect.TypeFor[Account](), reflect.TypeFor[hidden](), reflect.TypeFor[tree](), reflect.TypeFor[wide](),
	reflect.TypeFor[marshals](), reflect.TypeFor[prefers](), reflect.TypeFor[json.Number](), reflect.TypeFor[any](),
}

// sameWritten compares what both write of a value. It returns the bytes, and whether they were written here.
func sameWritten(t *testing.T, of *plainjson.Type, v reflect.Value) (want []byte, here bool) {
	t.Helper()
	want, err := json.Marshal(v.Interface())
	got, here := of.Append([]byte("before"), v)
	if here && (err != nil || string(got) != "before"+string(want)) {
		t.Fatalf("%v %+v is written as\n%s, and by encoding/json as\n%s (%v)", v.Type(), v, got, want, err)
	}
	return want, here
}

// sameRead compares what both read. It returns whether the data was read here.
func sameRead(t *testing.T, typ reflect.Type, of *plainjson.Type, data []byte) (here bool) {
	t.Helper()
	before := bytes.Clone(data)
	got, want := reflect.New(typ), reflect.New(typ)
	here = of.Decode(data, got.Elem())
	if !bytes.Equal(data, before) {
		t.Fatalf("%s was changed into %s", before, data)
	}
	if err := json.Unmarshal(data, want.Interface()); here && (err != nil || !reflect.DeepEqual(got.Interface(), want.Interface())) {
		t.Fatalf("%q is read as a %v\n%+v, and by encoding/json as\n%+v (%v)", data, typ, got.Elem(), want.Elem(), err)
	}
	return here
}

// same makes a type and a value, and compares the two ways. It returns whether the type is known, and which ways went here.
func same(t *testing.T, data []byte) (known, written, read bool) {
	s := &plaintest.Source{Left: data, Basics: basics}
	typ := s.Type()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	of := plainjson.Of(typ)
	if of == nil {
		return false, false, false
	}
	m := reflect.New(typ)
	s.Fill(m.Elem())
	text, written := sameWritten(t, of, m)
	if _, again := sameWritten(t, of, m.Elem()); again != written {
		t.Fatalf("%v is written %v by a pointer, and %v by itself", typ, written, again)
	}
	read = sameRead(t, typ, of, text)
	for i := range min(len(text), 200) { // cut, and changed
		sameRead(t, typ, of, text[:i])
		odd := bytes.Clone(text)
		odd[i] = oddBytes[(i+len(data))%len(oddBytes)]
		sameRead(t, typ, of, odd)
	}
	return true, written, read
}

// oddBytes are what means something in JSON, and what is no text.
const oddBytes = " \"\\,:[]{}-+.0129eEnul\x00\x1f\x7f\xc3\xff"

// FuzzSame compares the two for types and values that are made of bytes.
func FuzzSame(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(plaintest.Random(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { same(t, data) })
}

// TestRandomValues is FuzzSame with many bytes, and sees to it that enough goes here.
func TestRandomValues(t *testing.T) {
	const all = 2000
	types, values, texts := 0, 0, 0
	for seed := range uint64(all) {
		known, written, read := same(t, plaintest.Random(seed))
		if known {
			types++
		}
		if written {
			values++
		}
		if read {
			texts++
		}
	}
	t.Logf("%d types, %d known, %d values written, %d texts read", all, types, values, texts)
	if types < all/10 || values < all/30 || texts < all/30 {
		t.Error("too few to say anything")
	}
}

// FuzzRead compares what the two read in texts.
func FuzzRead(f *testing.F) {
	for _, data := range corpus {
		f.Add([]byte(data))
	}
	types := []reflect.Type{
		reflect.TypeFor[wide](), reflect.TypeFor[tree](), reflect.TypeFor[Account](), reflect.TypeFor[[]int64](), reflect.TypeFor[map[string]float32](), reflect.TypeFor[[]*string](),
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, typ := range types {
			sameRead(t, typ, plainjson.Of(typ), data)
		}
	})
}

// FuzzText compares what the two write of a text, and whether it is read again.
func FuzzText(f *testing.F) {
	for _, text := range []string{"", "a", "1234567", "12345678", "123456789", "\"", "\\", "a<b", "a>b", "a&b", "a'b", "\x1f", "\x7f", "é", "\u2028", "\u2029", "\xff", "abcdefg\n", "abcdefgh\n", "\ufffd", "12345678é", "/"} {
		f.Add(text)
	}
	of := plainjson.Of(reflect.TypeFor[string]())
	f.Fuzz(func(t *testing.T, text string) {
		for pad := range 9 { // the parts of eight bytes, and the rest
			all := "xxxxxxxx"[:min(pad, 8)] + text
			data, here := sameWritten(t, of, reflect.ValueOf(all))
			if here && !sameRead(t, reflect.TypeFor[string](), of, data) {
				t.Fatalf("%q was written here, and is not read here", all)
			}
		}
	})
}
