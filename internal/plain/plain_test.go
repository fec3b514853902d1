package plain_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/plain/plaintest"
)

type (
	text  string
	octet uint8
	inner struct {
		A int
		b int
	}
	Shown struct{ S []string }
	deep  struct {
		Next *deep
		N    int
	}
	tree struct {
		Name string
		Kids []tree
		By   map[string]*tree
	}
	marshals struct{ A int }
	decodes  struct{ A int }
	named    struct{ A int }
	wide     struct {
		B   bool
		I8  int8
		I64 int64
		U16 uint16
		U   uintptr
		F32 float32
		F64 float64
		Str text
		Raw []byte
		Oct []octet
		Arr [3]inner
		M   map[text][]int
		MI  map[int8]inner
		P   *inner
		T   time.Time
		TP  *time.Time
		D   time.Duration
		inner
		Shown
		Named inner  `json:"named"`
		Skip  func() `json:"-"`
		hide  []int
		E     []int          `json:"e,omitempty"`
		EM    map[string]int `json:",omitempty"`
		EF    float64        `json:",omitempty"`
		ES    string         `json:"-,"` //lint:ignore SA5008 a name that some take for none
	}
)

func (marshals) MarshalJSON() ([]byte, error) { return []byte(`{}`), nil }
func (*decodes) UnmarshalJSON(b []byte) error { return nil }
func (named) MessageType() string             { return "a name" }
func twoWays[M any](t *testing.T, m M) (by, as M, ok bool) {
	t.Helper()
	of := plain.Of(reflect.TypeFor[M]())
	if of == nil {
		t.Fatalf("a %T is not plain", m)
	}
	v, ok := plain.Copy(of, plain.Message, m)
	data, err := codec.Marshal(m)
	if err == nil {
		as, err = codec.Unmarshal[M](data)
	}
	if !ok || err != nil {
		if ok || err == nil && !hasOddTime(reflect.ValueOf(m)) {
			t.Errorf("%T %+v: copied %v, and its encoding gives the error %v", m, m, ok, err)
		}
		return by, as, false
	}
	if v.Size() < len(data) {
		t.Errorf("%T: a size of %d for %d bytes %s", m, v.Size(), len(data), data)
	}
	if again, err := codec.Marshal(plain.Pointer(&v)); err != nil || !bytes.Equal(again, data) {
		t.Errorf("%T: the copy is encoded as %s (%v), and the message as %s", m, again, err, data)
	}
	by = plain.Out[M](&v)
	held, _ := plain.CopyAny(of, plain.Message, m)
	if again, err := codec.Marshal(plain.Pointer(&held)); err != nil || !bytes.Equal(again, data) || held.Size() != v.Size() {
		t.Errorf("%T: of an interface the copy is encoded as %s (%v), and the message as %s", m, again, err, data)
	}
	if where := differs(reflect.ValueOf(&by).Elem(), reflect.ValueOf(&as).Elem()); where != "" {
		t.Errorf("%T: it%s is not what it is by JSON: %+v, %+v", m, where, by, as)
	}
	for _, two := range [][2]any{{&by, &m}, {&by, plain.Pointer(&v)}, {plain.Pointer(&v), &m}} {
		if where := plaintest.Shared(two[0], two[1]); where != "" {
			t.Errorf("%T: %s is shared", m, where)
		}
	}
	return by, as, true
}

// TestCopies: the copy is what JSON gives back, and shares nothing.
func TestCopies(t *testing.T) {
	moment := time.Date(2026, 11, 29, 16, 0, 0, 123456789, time.UTC)
	full := wide{
		B: true, I8: -128, I64: math.MinInt64, U16: 65535, U: math.MaxUint, F32: math.MaxFloat32, F64: math.SmallestNonzeroFloat64,
		Str: "<\u2028\x00\"\\\n ü 日本", Raw: []byte{0, 255}, Oct: []octet{1}, Arr: [3]inner{{1, 2}, {3, 4}},
		M: map[text][]int{"a": {1}, "": nil, "e": {}}, MI: map[int8]inner{-1: {5, 6}}, P: &inner{7, 8}, T: moment, TP: &moment,
		D: time.Hour, inner: inner{9, 10}, Shown: Shown{[]string{"x"}}, Named: inner{11, 12}, Skip: func() {}, hide: []int{1},
		E: []int{}, EM: map[string]int{}, EF: math.Copysign(0, -1), ES: "dash",
	}
	twoWays(t, full)
	twoWays(t, &full)
	twoWays(t, wide{})
	twoWays(t, []wide{full, {}})
	twoWays(t, map[string]wide{"a": full})
	twoWays(t, [2]*wide{&full, &full})
	twoWays(t, tree{"a", []tree{{Name: "b"}}, map[string]*tree{"c": {Kids: []tree{}}, "n": nil}})
	twoWays(t, deep{Next: &deep{Next: &deep{N: 3}}})
	twoWays(t, named{3})
	twoWays(t, text("x"))
	twoWays(t, []byte(nil))
	twoWays(t, []byte{})
	twoWays(t, map[string]int(nil))
	twoWays(t, struct{}{})
	twoWays(t, math.Copysign(0, -1))
	twoWays(t, struct{ A, X int }{1, 2})
	twoWays(t, struct {
		A int `json:"X"`
		B int `json:"x"`
	}{1, 2})
	twoWays(t, struct {
		A string `json:"a" xml:"b"`
		_ int
	}{A: "a"})
	if zone, err := time.LoadLocation("Europe/Berlin"); err != nil {
		t.Error(err)
	} else {
		twoWays(t, moment.In(zone))
		twoWays(t, time.Date(1880, 1, 1, 0, 0, 0, 0, zone)) // an offset of 53 minutes and 28 seconds
	}
	twoWays(t, time.Now())
	twoWays(t, moment.Local())
	for _, offset := range []int{0, 1, 3600, -5400, 23*3600 + 59*60, 24 * 3600, -90000} {
		twoWays(t, moment.In(time.FixedZone("here", offset)))
	}
	for _, year := range []int{-1, 0, 1, 9999, 10000} {
		twoWays(t, time.Date(year, 12, 31, 23, 59, 59, 999999999, time.UTC))
		twoWays(t, time.Date(year, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)))
	}
}

// TestRefusals: what JSON does not write, or not give back, is for the encoder.
func TestRefusals(t *testing.T) {
	circle := &deep{}
	circle.Next = circle
	long := &deep{}
	for range 20000 {
		long = &deep{Next: long}
	}
	for _, m := range []any{math.NaN(), math.Inf(-1), float32(math.Inf(1)), "\xff", []string{"a", "\xc3"}, map[string]int{"\xff": 1}, circle, long,
		struct{ P *float64 }{new(math.NaN())}, [1]map[int]float64{{1: math.NaN()}}} {
		of := plain.Of(reflect.TypeOf(m))
		if of == nil {
			t.Errorf("a %T is not plain", m)
			continue
		}
		data, err := codec.Marshal(m)
		if err == nil {
			err = codec.UnmarshalInto(data, reflect.New(reflect.TypeOf(m)).Interface())
		}
		if _, ok := plain.CopyAny(of, plain.Message, m); ok || err == nil {
			t.Errorf("a %T was copied (%v), and its encoding gives %v", m, ok, err)
		}
	}
	if _, ok := plain.CopyAny(plain.Of(reflect.TypeFor[deep]()), plain.Message, (*deep)(nil)); ok {
		t.Error("a nil pointer was copied")
	}
}

// TestNotPlain: code of the type's own, interfaces, and what JSON has rules of its own for.
func TestNotPlain(t *testing.T) {
	type embedsPointer struct{ *Shown }
	type twice struct {
		inner
		A int
	}
	for _, m := range []any{marshals{}, &marshals{}, decodes{}, []marshals{}, map[string]decodes{}, struct{ M marshals }{}, json.RawMessage{}, json.Number("1"),
		struct{ N json.Number }{}, big.Int{}, netip.Addr{}, struct{ V any }{}, []any{}, map[string]error{}, struct{ C chan int }{}, struct{ F func() }{}, complex(1, 1),
		map[netip.Addr]int{}, map[time.Time]int{}, map[bool]int{}, map[inner]int{}, map[float64]int{}, embedsPointer{}, twice{}, new(*int), struct{ P **int }{},
		struct{ P *[]int }{}, struct{ P *map[string]int }{}, struct{ P *any }{},
		struct {
			N int `json:",string"`
		}{},
		struct {
			T time.Time `json:",omitzero"`
		}{},
		struct {
			N int `json:"a&b"`
		}{},
		struct {
			N int `json:"é"`
		}{},
	} {
		if plain.Of(reflect.TypeOf(m)) != nil {
			t.Errorf("a %T is plain", m)
		}
	}
	if plain.Of(nil) != nil {
		t.Error("no type is plain")
	}
}

// TestOtherMemory: neither the value nor what is taken out of it changes with the message.
func TestOtherMemory(t *testing.T) {
	m := &tree{Name: "a", Kids: []tree{{Name: "b"}}, By: map[string]*tree{"c": {Name: "d"}}}
	v, ok := plain.Copy(plain.Of(reflect.TypeFor[*tree]()), plain.Message, m)
	if !ok {
		t.Fatal("it was not copied")
	}
	change := func(m *tree) { m.Name, m.Kids[0].Name, m.By["c"].Name, m.By["x"] = "x", "x", "x", nil }
	change(m)
	for range 2 {
		got := plain.Out[tree](&v)
		if got.Name != "a" || got.Kids[0].Name != "b" || got.By["c"].Name != "d" || len(got.By) != 1 {
			t.Errorf("got %+v", got)
		}
		change(&got)
	}
}

// TestAllocations: a message without slices, maps and pointers is one allocation for both ends together.
func TestAllocations(t *testing.T) {
	type flat struct {
		Text string
		N    int
	}
	of := plain.Of(reflect.TypeFor[flat]())
	m := flat{strings.Repeat("x", 1000), 7}
	if n := testing.AllocsPerRun(100, func() {
		v, ok := plain.Copy(of, plain.Message, m)
		if got := plain.Out[flat](&v); !ok || got != m {
			t.Fatal("it has changed")
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
	var inside any = m
	if n := testing.AllocsPerRun(100, func() {
		v, ok := plain.CopyAny(of, plain.Message, inside)
		if got := plain.Out[flat](&v); !ok || got != m {
			t.Fatal("it has changed")
		}
	}); n > 0 {
		t.Errorf("of what an interface holds, %v allocations", n)
	}
}

// TestWhatAnInterfaceHolds is read by all that have the interface, and changed by none of them.
func TestWhatAnInterfaceHolds(t *testing.T) {
	type flat struct {
		B bool
		N int
		F float64
		S string
		A [2]inner2
	}
	type late struct { // JSON gives another value back
		T time.Time
		h int
	}
	m, now := flat{true, 1, 2.5, "<s>", [2]inner2{{1}, {2}}}, late{time.Now(), 1}
	var inside, changes any = m, now
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { // the race detector looks
			v, ok := plain.CopyAny(plain.Of(reflect.TypeFor[flat]()), plain.Message, inside)
			if got := plain.Out[flat](&v); !ok || got != m {
				t.Errorf("got %+v (%v)", got, ok)
			}
			for range 2 {
				taken := plain.Take[flat](&v)
				if *taken != m {
					t.Errorf("taken was %+v", *taken)
				}
				taken.N, taken.S, taken.A[1].N = 7, "other", 8
			}
			v, ok = plain.CopyAny(plain.Of(reflect.TypeFor[late]()), plain.Message, changes)
			if got := plain.Out[late](&v); !ok || got.h != 0 || got.T != now.T.Round(0).UTC() {
				t.Errorf("got %+v (%v)", got, ok)
			}
		})
	}
	all.Wait()
	if inside != any(m) || changes != any(now) {
		t.Errorf("the messages are now %+v and %+v", inside, changes)
	}
}

type inner2 struct{ N int }
