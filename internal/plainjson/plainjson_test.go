package plainjson_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/plainjson"
)

// corpus are texts that are read here, or must not be.
var corpus = []string{
	`{}`, `{"number":"a","owner":"b"}`, `{"owner":"b","number":"a"}`, `{"NUMBER":"a"}`, `{"number":"a","number":"b"}`, `{"number":"a","more":1}`, `{"number":"a"}x`, ` {}`, `{} `, `{,}`, `{"number":"a",}`, `{"number" :"a"}`, `{"number":null}`, `{"number":5}`,
	`{"number":"\u0061"}`, `{"number":"a\"b"}`, "{\"number\":\"a\tb\"}", "{\"number\":\"\xff\"}", `{"number":"é"}`, "{\"number\":\"\xed\xa0\x80\"}", `{"number":"a`, `{"number":"a\`, `{"number"`, `{"number":`, `{"number":}`, `null`, `[]`, ``, `"`, `{`,
	`[1,-1,0,-0]`, `[01]`, `[1.0]`, `[1e2]`, `[-]`, `[+1]`, `[999999999999999999]`, `[9223372036854775807]`, `[9223372036854775808]`, `[-9223372036854775808]`, `[18446744073709551616]`, `[1,]`, `[,]`, `[null]`, `[1 ,2]`, `["a",null,""]`, `[`, `[1`,
	`{"a":1.5,"b":-0.25,"a":2}`, `{"a":1.}`, `{"a":.5}`, `{"a":-.5}`, `{"a":00.5}`, `{"a":1e3}`, `{"a":340282350000000000000000000000000000000}`, `{"a":3402823500000000000000000000000000000000}`, `{"a":0.1}`, `{"a":16777217}`, `{"a":123456789012345678901}`,
	`{"v":"a","l":{"v":"b","l":null},"m":[{"v":"","l":null}],"b":{"x":null,"y":{"v":"","l":null}}}`, `{"v":"a","m":[],"b":{}}`, `{"v":"a","m":null,"b":null}`,
	`{"Level":127}`, `{"Level":128}`, `{"Level":-128}`, `{"rate":1}`, `{"on":true,"count":1,"mask":18446744073709551615}`, `{"on":false}`, `{"on":TRUE}`, `{"mask":-1}`, `{"bytes":"AP8="}`, `{"bytes":"AP8"}`, `{"bytes":"A P8="}`, `{"bytes":""}`, `{"bytes":null}`, `{"few":"AQ=="}`,
	`{"at":"2026-01-02T03:04:05.000000001+02:00"}`, `{"at":"2026-01-02T03:04:05Z"}`, `{"at":"2026-13-02T03:04:05Z"}`, `{"at":"2026-01-02t03:04:05z"}`, `{"at":""}`, `{"at":null}`, `{"names":{"a":[1],"b":null,"a":[]}}`, `{"-":"d"}`, `{"Skip":"s"}`, `{"none":1}`, `{"Next":{"count":1}}`,
	strings.Repeat(`{"l":`, 200) + "null" + strings.Repeat("}", 200), strings.Repeat(`{"Next":`, 99) + "{}" + strings.Repeat("}", 99),
}

// TestCorpus: what is read here is what encoding/json reads.
func TestCorpus(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[wide](), reflect.TypeFor[tree](), reflect.TypeFor[Account](), reflect.TypeFor[hidden](), reflect.TypeFor[[]int64](), reflect.TypeFor[[]uint64](),
		reflect.TypeFor[map[string]float32](), reflect.TypeFor[map[string]float64](), reflect.TypeFor[[]string](), reflect.TypeFor[[]*string](), reflect.TypeFor[string](),
	} {
		of := plainjson.Of(typ)
		if of == nil {
			t.Fatalf("%v is not known", typ)
		}
		for _, data := range corpus {
			sameRead(t, typ, of, []byte(data))
		}
	}
}

// TestGoesHere: the form that is written is read here. Otherwise all would be right, and slow.
func TestGoesHere(t *testing.T) {
	half := 0.5
	for _, v := range []any{
		Account{"DE-1", "Anna"}, Account{}, wide{}, &wide{}, tree{Value: "x", Left: &tree{}, Many: []tree{{}}, By: map[string]*tree{"b": {}, "a": nil}},
		wide{
			Account: Account{"n", "日本"}, hidden: hidden{-1, 0.25}, On: true, Count: -5, Mask: math.MaxUint32, Price: 1e-5, Bytes: []byte{0, 255}, Few: []octet{1}, At: time.Unix(1, 1).UTC(),
			Tags: []string{"a", ""}, Attrs: map[string]string{"b": "2", "a": "1"}, Names: map[name][]int{"x": {1, 2}, "": nil}, Opt: &half, none: 1, Skip: "gone", Dash: "d", Next: &wide{Tags: []string{}},
		},
		"text", true, 5, []byte("x"), []string{"a"}, map[string]int{"a": 1}, time.Unix(1e9, 5).In(time.FixedZone("", 3600)),
	} {
		typ := reflect.TypeOf(v)
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		of := plainjson.Of(typ)
		if of == nil {
			t.Errorf("%v is not known", typ)
			continue
		}
		data, here := sameWritten(t, of, reflect.ValueOf(v))
		if !here || !sameRead(t, typ, of, data) {
			t.Errorf("%s is left to encoding/json: written here %v", data, here)
		}
	}
}

// TestLeftToOthers: types whose own code, tags or shape encoding/json knows.
func TestLeftToOthers(t *testing.T) {
	for _, v := range []any{
		marshals{}, prefers(""), json.Number(""), json.RawMessage{}, [2]int{}, map[int]string{}, map[prefers]int{}, []marshals{}, new(*int), new([]int), struct{ A any }{}, struct{ F func() }{}, struct{ C complex64 }{},
		struct {
			A int `json:",string"`
		}{}, struct {
			A int `json:",omitzero"`
		}{}, struct {
			A int `json:"a b"`
		}{}, struct {
			A int `json:"é"`
		}{}, struct {
			A int `json:"x"`
			B int `json:"X"`
		}{}, struct {
			Account
			Number int `json:"number"`
		}{}, struct{ *Account }{}, struct{ marshals }{},
	} {
		typ := reflect.TypeOf(v)
		if of := plainjson.Of(typ); of != nil {
			t.Errorf("%v is known", typ)
		}
	}
	var ring tree
	ring.Left = &ring
	of := plainjson.Of(reflect.TypeFor[tree]())
	for _, v := range []any{&ring, tree{Value: "\xff"}, tree{Value: "<"}, (*tree)(nil)} {
		if data, ok := of.Append(nil, reflect.ValueOf(v)); ok {
			t.Errorf("%T is written here: %s", v, data)
		}
	}
	floats := plainjson.Of(reflect.TypeFor[float64]())
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e21, 1e-7, math.MaxFloat64} {
		if data, ok := floats.Append(nil, reflect.ValueOf(f)); ok {
			t.Errorf("%v is written here: %s", f, data)
		}
	}
}

func BenchmarkPlainJSON(b *testing.B) {
	for _, size := range []int{48, 1024} {
		v := Account{Number: strings.Repeat("a", size)}
		data, _ := json.Marshal(v)
		of := plainjson.Of(reflect.TypeFor[Account]())
		boxed := any(v)
		b.Run(fmt.Sprintf("write/%d/std", size), func(b *testing.B) {
			for b.Loop() {
				_, _ = json.Marshal(boxed)
			}
		})
		b.Run(fmt.Sprintf("write/%d/here", size), func(b *testing.B) {
			var into []byte
			for b.Loop() {
				into, _ = of.Append(into[:0], reflect.ValueOf(boxed))
			}
		})
		b.Run(fmt.Sprintf("read/%d/std", size), func(b *testing.B) {
			for b.Loop() {
				_ = json.Unmarshal(data, new(Account))
			}
		})
		b.Run(fmt.Sprintf("read/%d/here", size), func(b *testing.B) {
			for b.Loop() {
				if !of.Decode(data, reflect.ValueOf(new(Account)).Elem()) {
					b.Fatal("not read here")
				}
			}
		})
	}
}
