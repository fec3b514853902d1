package cborcodec

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/codec"
)

type (
	color  int
	Base   struct{ A int }
	inner  struct{ B int }
	parcel struct {
		Name  string `json:"name"`
		Bytes []byte `json:"bytes,omitempty"`
		ID    [16]byte
	}
	every struct {
		Base
		inner
		*Shown
		Bool    bool
		Ints    []int
		Small   int8
		Large   uint64
		Float   float64
		Float32 float32
		Text    string `cbor:"t" json:"text"`
		At      time.Time
		For     time.Duration
		Ages    map[string]int
		Names   map[int]string
		Keyed   map[netip.Addr]string
		Colors  map[color]color
		Nested  []map[string][]parcel
		Array   [2]parcel
		Ptr     *parcel
		PtrPtr  **int
		Empty   []int     `json:",omitempty"`
		Zero    time.Time `json:",omitzero"`
		Quoted  int       `json:",string"`
		IP      netip.Addr
		Sum     *big.Int
		Number  json.Number
		Raw     json.RawMessage
		Any     any
		Hidden  int `json:"-"`
		local   int
	}
	tree struct {
		Left, Right *tree
		N           int
	}
	loop  []loop
	owned struct {
		N      int
		parent *owned
		Back   *owned `json:"-"`
	}
)

func (c color) MarshalText() ([]byte, error) { return []byte(strings.Repeat("x", int(c)&0xff)), nil }
func (c *color) UnmarshalText(b []byte) error {
	*c = color(len(b) & 0xff)
	return nil
}

// corpus are values whose types can travel.
func corpus() []any {
	seven := 7
	pseven := &seven
	zone := time.FixedZone("somewhere", 5*3600+1800)
	return []any{
		every{}, &every{local: 1, Hidden: 2},
		every{
			Base{1}, inner{2}, &Shown{3, 4}, true, []int{1, -2, math.MaxInt64, math.MinInt64}, -128, math.MaxUint64, math.Pi, math.MaxFloat32,
			"text ü\x00", time.Date(2026, 1, 2, 3, 4, 5, 678901234, zone), time.Hour, map[string]int{"a": 1, "": 2}, map[int]string{-1: "x", 5: "y"},
			map[netip.Addr]string{netip.MustParseAddr("10.0.0.1"): "a", netip.MustParseAddr("::1"): "b"}, map[color]color{1: 2, 3: 0},
			[]map[string][]parcel{{"k": {{Name: "in"}, {}}}, nil, {}}, [2]parcel{{Bytes: []byte{}}, {Bytes: []byte("\xff\x00")}}, &parcel{}, &pseven, []int{}, time.Time{}, 42,
			netip.MustParseAddr("fe80::1%eth0"), new(big.Int).Exp(big.NewInt(-7), big.NewInt(99), nil), "12.50", json.RawMessage(`{"a":[1,2]}`), map[string]any{"n": "x", "l": []any{true, nil, "y", 1.5}}, 0, 0,
		},
		struct{}{}, []string{"a", ""}, map[string]string{"b": "1", "a": "2"}, map[string]string(nil), []byte(nil), []byte{}, "", "plain", 0, -1, 1.5, true,
		tree{N: 1, Left: &tree{N: 2, Right: &tree{}}}, loop{nil, {}, {{}, {}}}, []any{}, (*parcel)(nil), time.Unix(0, 0).UTC(), make([]int, 200_000),
	}
}

// roundTrip encodes v, and returns the bytes and what they decode into.
func roundTrip(t testing.TB, v any) (data []byte, back any) {
	t.Helper()
	data, err := codec.MarshalAs(Name, v)
	if err != nil {
		t.Fatalf("%T: %v", v, err)
	}
	target := reflect.New(reflect.TypeOf(v))
	if err := unmarshal(data, target.Interface()); err != nil {
		t.Fatalf("%T: %x: %v", v, data, err)
	}
	return data, target.Elem().Interface()
}

// sameAs compares what JSON shows of two values.
func sameAs(t testing.TB, v, back any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		return // a number that JSON does not have
	}
	if got, err := json.Marshal(back); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%T: got %s, want %s (%v)", v, got, want, err)
	}
}

// TestRoundTrip: what comes back is what JSON would have brought, and always the same bytes.
func TestRoundTrip(t *testing.T) {
	for _, v := range corpus() {
		data, back := roundTrip(t, v)
		sameAs(t, v, back)
		for range 10 {
			if again, err := marshal(v); err != nil || !bytes.Equal(again, data) {
				t.Fatalf("%T: %x, and then %x (%v)", v, data, again, err)
			}
		}
		if again, err := marshal(back); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%T: %x, and back %x (%v)", v, data, again, err)
		}
	}
}

// TestNumbersThatJSONLacks: NaN, infinities and minus zero travel.
func TestNumbersThatJSONLacks(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)} {
		_, back := roundTrip(t, f)
		if got := back.(float64); got != f && !(math.IsNaN(f) && math.IsNaN(got)) || math.Signbit(got) != math.Signbit(f) && !math.IsNaN(f) {
			t.Errorf("%v came back as %v", f, got)
		}
	}
}

// TestInterfaces: what is in an interface comes back as CBOR's own kinds.
func TestInterfaces(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, back := roundTrip(t, []any{uint8(1), int16(-1), "x", []byte{1}, at, parcel{Name: "n"}, math.MaxFloat64, nil})
	got := back.([]any)
	if m, ok := got[5].(map[string]any); !ok || m["name"] != "n" {
		t.Errorf("a struct came back as %#v", got[5])
	}
	if at2, ok := got[4].(time.Time); !ok || !at2.Equal(at) {
		t.Errorf("a time came back as %#v", got[4])
	}
	got[5], got[4] = nil, nil
	if want := []any{int64(1), int64(-1), "x", []byte{1}, nil, nil, math.MaxFloat64, nil}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

// TestNothingIsShared: decoded values keep nothing of the bytes, which may be a part of a large packet.
func TestNothingIsShared(t *testing.T) {
	data, err := marshal(every{Ptr: &parcel{Bytes: []byte("bytes")}, Text: "text", Any: []any{"s", []byte("b")}, Raw: json.RawMessage(`"r"`)})
	if err != nil {
		t.Fatal(err)
	}
	var v every
	if err := unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	want, _ := marshal(v)
	clear(data)
	if got, err := marshal(v); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x (%v)", got, want, err)
	}
}

// TestValuesThatAreRefused: they would end the process, or be another message at the other end.
func TestValuesThatAreRefused(t *testing.T) {
	circle := &tree{}
	circle.Right = circle
	around := loop{nil}
	around[0] = around
	inside := map[string]any{}
	inside["self"] = []any{inside}
	deep := &tree{}
	for range 2 * mostDeep {
		deep = &tree{Left: deep}
	}
	for name, c := range map[string]struct {
		v    any
		want string
	}{
		"a circle of pointers":   {circle, "levels deep, or holds itself"},
		"a circle of slices":     {around, "levels deep, or holds itself"},
		"a circle of interfaces": {inside, "levels deep, or holds itself"},
		"a list without end":     {deep, "levels deep, or holds itself"},
		"a text":                 {parcel{Name: "\xff"}, `field "Name" holds text that is not UTF-8`},
		"a key":                  {map[string]int{"\xff": 1}, "a key of it holds text"},
		"a text in an interface": {[]any{strings.Repeat("x", 70_000) + "\xff"}, "holds text"},
	} {
		data, err := codec.MarshalAs(Name, c.v)
		if _, ok := err.(*codec.Invalid); !ok || !strings.Contains(err.Error(), c.want) || data != nil {
			t.Errorf("%s: %.40x, %v", name, data, err)
		}
	}
	for _, v := range []any{func() {}, make(chan int), struct{ F func() }{func() {}}} {
		if _, err := codec.MarshalAs(Name, v); err == nil {
			t.Errorf("a %T was encoded", v)
		}
	}
}

// TestCirclesThatAreNotEncoded: fields that do not travel may hold what holds them.
func TestCirclesThatAreNotEncoded(t *testing.T) {
	v := &owned{N: 3}
	v.parent, v.Back = v, v
	if _, back := roundTrip(t, v); back.(*owned).N != 3 {
		t.Errorf("got %+v", back)
	}
	deep := &tree{}
	for range mostDeep/2 - 2 {
		deep = &tree{Left: deep}
	}
	data, back := roundTrip(t, deep)
	if again, err := marshal(back); err != nil || !bytes.Equal(again, data) {
		t.Errorf("%d levels did not come back: %v", mostDeep/2, err)
	}
}

// TestTypesThatAreRefused says so before a value of the type is encoded or decoded.
func TestTypesThatAreRefused(t *testing.T) {
	at := time.Unix(1, 0).UTC()
	for _, v := range []any{jsonOnly{1, 2}, struct{ In []jsonOnly }{[]jsonOnly{{1, 2}}}, map[string]*jsonOnly{"a": {1, 2}}, timed{at, "x"}} {
		_, err := codec.MarshalAs(Name, v)
		into := codec.CheckAs(Name, reflect.TypeOf(v))
		if _, ok := err.(*codec.Invalid); !ok || into == nil || into.Error() != err.Error() {
			t.Errorf("a %T: %v; %v", v, err, into)
		}
		if codec.Check(reflect.TypeOf(v)) != nil {
			t.Errorf("a %T cannot travel as JSON", v)
		}
		data, err := encoder.Marshal(v) // it does lose something
		back := reflect.New(reflect.TypeOf(v))
		if err == nil {
			err = decoder.Unmarshal(data, back.Interface())
		}
		if err == nil && reflect.DeepEqual(back.Elem().Interface(), v) {
			t.Errorf("a %T came back whole", v)
		}
	}
	if _, err := codec.UnmarshalAs[jsonOnly](Name, []byte{0xa0}); err == nil || !strings.Contains(err.Error(), "MarshalCBOR") {
		t.Errorf("decoding: %v", err)
	}
}

type (
	jsonOnly struct {
		N    int
		lost int
	}
	timed struct {
		time.Time
		Name string
	}
)

func (j jsonOnly) MarshalJSON() ([]byte, error) { return json.Marshal([]int{j.N, j.lost}) }
func (t timed) MarshalJSON() ([]byte, error)    { return json.Marshal(t.Name) }
func (t *timed) UnmarshalJSON(b []byte) error   { return json.Unmarshal(b, &t.Name) }

// TestErrorsShowNoPayload: errors are logged.
func TestErrorsShowNoPayload(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":         "",
		"cut":             "\xa2\x66secret\x66secr",
		"too much":        "\xa0\xa0secret",
		"another type":    "\xa1\x63Bool\x66secret",
		"a wrong field":   "\xa1\x64Bool\x66secret",
		"a large number":  "\xa1\x65Small\x1a\x5e\xc2\xe7\x00",
		"a time":          "\xa1\x62At\x66secret",
		"an address":      "\xa1\x62IP\x46secret",
		"no UTF-8":        "\xa1\x61t\x67secret\xff",
		"a reserved head": "\x1csecret",
		"a promise":       "\xa1\x64Ints\x9a\x7f\xff\xff\xff", // of two billion numbers
		"much nested":     "\xa1\x63Any" + strings.Repeat("\x81", 1<<20) + "\xf6",
		"much in a loop":  strings.Repeat("\x81", 1<<20) + "\xf6",
	} {
		var v every
		err := unmarshal([]byte(data), &v)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "1589831424") {
			t.Errorf("%s: %v", name, err)
		}
		if errors.Unwrap(err) == nil {
			t.Errorf("%s: %T wraps nothing", name, err)
		}
	}
}

func TestUnknownFields(t *testing.T) {
	data, err := marshal(map[string]any{"name": "x", "more": 1})
	if err != nil {
		t.Fatal(err)
	}
	if field, err := codec.Unknown[parcel](Name, data); field == "" || err != nil {
		t.Errorf("got %q, %v", field, err)
	}
	if field, err := codec.Unknown[struct{}](Name, data); field != "" || err != nil {
		t.Errorf("a reply that is not used: %q, %v", field, err)
	}
	known, _ := marshal(parcel{Name: "x"})
	if field, err := codec.Unknown[*parcel](Name, known); field != "" || err != nil {
		t.Errorf("got %q, %v", field, err)
	}
	if _, err := codec.Unknown[parcel](Name, []byte("\x1c")); err == nil {
		t.Error("no CBOR was read")
	}
}
