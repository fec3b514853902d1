package codec

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	quick "github.com/go-json-experiment/json/v1"
)

// The types of the corpus. Those whose decoding is their own note what they were given.
type (
	deposit struct {
		Account string `json:"account"`
		Amount  int64  `json:"amount"`
		Note    string `json:"note,omitempty"`
	}
	line struct {
		SKU   string  `json:"sku"`
		Qty   int     `json:"qty"`
		Price float64 `json:"price"`
		Tags  []string
	}
	purchase struct {
		ID    string            `json:"id"`
		At    time.Time         `json:"at"`
		Lines []line            `json:"lines"`
		Attrs map[string]string `json:"attrs"`
		Total *float64          `json:"total"`
	}
	Base  struct{ A int }
	inner struct{ B int }
	every struct {
		Base
		inner
		*Deep
		Bytes []byte
		Ints  []int
		Ages  map[string]int
		Names map[string]string
		Keyed map[lower]int
		Any   any
		Raw   json.RawMessage
		Text  lower
		Own   own
		OwnP  *own
		Small int8
		Float float32
		When  time.Time `json:"when,omitzero"`
		For   time.Duration
		IP    netip.Addr
		Big   *big.Int
		Three [3]byte
		Pair  [2]string
		Cased string `json:"CaSe"`
		Dash  string `json:"-,"` //lint:ignore SA5008 a name that some take for none
		None  string `json:"-"`
		Next  *every
	}
	// codeless is every without what has code of its own.
	codeless struct {
		Base
		inner
		*Deep
		Bytes []byte
		Ints  []int
		Ages  map[string]int
		Names map[string]string
		Any   any
		Small int8
		Float float32
		When  time.Time `json:"when,omitzero"`
		For   time.Duration
		Three [3]byte
		Pair  [2]string
		Cased string `json:"CaSe"`
		Next  *codeless
	}
	Deep  struct{ C int }
	lower string
	own   struct{ Given []string }
)

func (l *lower) UnmarshalText(b []byte) error { *l = lower(strings.ToLower(string(b))); return nil }

func (o *own) UnmarshalJSON(b []byte) error { o.Given = append(o.Given, string(b)); return nil }

var corpusTypes = []func() any{
	func() any { return new(deposit) }, func() any { return new(purchase) }, func() any { return new(every) }, func() any { return new(codeless) },
	func() any { return new(any) }, func() any { return new(*deposit) }, func() any { return new(string) }, func() any { return new(int8) },
	func() any { return new([]deposit) }, func() any { return new(lower) }, func() any { return new(own) }, func() any { return new([]byte) },
	// What has held something before is decoded over it.
	func() any { return &deposit{"old", 1, "old"} }, func() any { return &map[string]any{"old": 1.0} },
	func() any {
		return &every{Ints: []int{9, 9, 9}, Names: map[string]string{"7": "x"}, Any: &deposit{Note: "old"}, Three: [3]byte{7, 7, 7}, Big: big.NewInt(5), Next: &every{Text: "old"}, Own: own{[]string{"old"}}}
	},
}

var corpus = []string{
	`{"account":"a","amount":5}`, `{"ACCOUNT":"a","Amount":5}`, `{"account":"a","account":"b"}`, `{"amount":1.0}`, `{"amount":1e2}`, `{"amount":"5"}`, `{"amount":null,"account":null}`,
	`{"account":"\ud800"}`, "{\"account\":\"\xff\"}", "{\"\xff\":1}", `{"x":{"y":[1,{"z":null}]}}`, ` { } `, `null`, ` null `, `[]`, `[null]`, `[{"account":"a"},{}]`, `{`, `{}x`, `{"a":1,}`, `[1,]`, ``, ` `, `nul`, `{"amount":9223372036854775808}`, `{"note":1}`,
	"\ufeff{}", `{"account":"a\u0000b"}`, "{\"account\":\"a\tb\"}", `{"account":"\x"}`, `{account:1}`, `{'account':1}`, `01`, `-`, `-0`, `1.`, `1e`, `127`, `128`, `1e1`, `"x"`, `"\u00e9\n"`, `true`, `"AP8="`, `"A=P"`, `[1,2]`,
	`{"id":"x","at":"2026-01-02T03:04:05Z","lines":[{"sku":"a","qty":1,"Tags":null},{"Tags":["a","b"]}],"attrs":{"a":"b","a":"c"},"total":null}`, `{"at":"2026-01-02"}`, `{"at":null}`, `{"lines":null}`, `{"attrs":{"a":null}}`, `{"lines":{"0":1}}`, `{"total":1e400}`,
	`{"A":1,"B":2,"C":3,"Bytes":"AP8=","Ints":[1],"Ages":{},"Names":{"1":"a","-1":"b"},"Keyed":{"AB":1},"Any":{"x":[1,"a",null,true]},"Raw":{"q" : 1},"Text":"ABC","Own":{ "a":1 },"OwnP":[1 ,2],"Quoted":"7","QuotedF":"1.5","QuotedB":"true","QuotedS":"\"s\"","QuotedP":"3","Small":-128,"Float":0.1,"For":1000,"IP":"::1","Big":1237940039285380274899124224,"Three":[1,2,3],"Pair":["a"],"case":"x","-":"d","None":"n","Next":{"Text":"X"}}`,
	`{"Three":[1,2]}`, `{"Three":[1,2,3,4]}`, `{"Three":"AQID"}`, `{"Quoted":7}`, `{"Quoted":""}`, `{"Quoted":" 7"}`, `{"Quoted":null}`, `{"Quoted":"null"}`, `{"QuotedP":null}`, `{"QuotedP":"null"}`, `{"QuotedS":"s"}`, `{"QuotedB":"1"}`, `{"QuotedF":"1e400"}`,
	`{"Bytes":[1,2]}`, `{"Bytes":"A=P"}`, `{"Bytes":null}`, `{"Bytes":"AP8"}`, `{"Bytes":"A\nP8="}`, `{"Names":{"x":"y"}}`, `{"Names":null}`, `{"Float":1e40}`, `{"Small":128}`, `{"Small":1.5}`, `{"Any":1e400}`, `{"Any":null}`, `{"Any":{"account":"a"}}`, `{"Raw":null}`, `{"Raw":}`,
	`{"IP":"bad"}`, `{"IP":""}`, `{"IP":null}`, `{"inner":{"B":1}}`, `{"Base":{"A":3}}`, `{"Deep":{"C":3}}`, `{"For":"1s"}`, `{"Own":null,"OwnP":null,"Text":null,"Big":null,"Next":null}`, `{"Big":"5"}`, `{"Big":1.5}`, `{"Text":1}`, `{"Keyed":{"a":1,"A":2}}`, `{"Ints":[1,null,3]}`, `{"Ints":{}}`, `{"Pair":[]}`, `{"when":"x"}`, `{"CASE":"a","CaSe":"b","case":"c"}`, `{"Next":{"Next":{"A":1}}}`,
	strings.Repeat("[", 20000), strings.Repeat(`{"Next":`, 9000) + "null" + strings.Repeat("}", 9000), strings.Repeat(`{"Next":`, 10001) + "null" + strings.Repeat("}", 10001), `{"Any":` + strings.Repeat("[", 9990) + strings.Repeat("]", 9990) + `}`,
}

// agrees decodes data by both ways and compares.
func agrees(t *testing.T, data string, fresh func() any) {
	t.Helper()
	want, got := fresh(), fresh()
	if quickness(reflect.TypeOf(got).Elem()) == slow {
		t.Errorf("%T is not decoded quickly", got)
	}
	wantErr := json.Unmarshal([]byte(data), want)
	if err := decodeJSON([]byte(data), got, false); (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Errorf("%.200q into a %T: %v, want %v", data, got, err, wantErr)
	}
	if wantErr == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%.200q into a %T: %+v, want %+v", data, got, got, want)
	}
	if zero := fresh(); reflect.ValueOf(zero).Elem().IsZero() {
		err := decodeJSON([]byte(data), zero, true)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() || !reflect.DeepEqual(zero, want) {
			t.Errorf("%.200q into a fresh %T: %+v, %v, want %+v, %v", data, zero, zero, err, want, wantErr)
		}
	}
	if alone := fresh(); wantErr != nil && quick.Unmarshal([]byte(data), alone) == nil {
		t.Errorf("%.200q into a %T: the quick one takes it: %+v, want %v", data, alone, alone, wantErr)
	}
}

// TestQuickAgrees: JSON means to us what it means to encoding/json.
func TestQuickAgrees(t *testing.T) {
	for _, data := range corpus {
		for _, fresh := range corpusTypes {
			agrees(t, data, fresh)
		}
	}
}

func FuzzQuickAgrees(f *testing.F) {
	for _, data := range corpus {
		if len(data) < 1000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data string) {
		for _, fresh := range corpusTypes {
			agrees(t, data, fresh)
		}
	})
}

type foreign struct{ N int }

func (*foreign) UnmarshalJSONFrom(any) error { return nil }

// TestNotQuickly: types that the two may read differently go to encoding/json.
func TestNotQuickly(t *testing.T) {
	for _, v := range []any{
		json.Number(""), struct{ N []json.Number }{}, map[string]json.Number{}, foreign{}, struct{ F *foreign }{},
		struct {
			T time.Time `json:"t,format:unix"`
		}{},
		struct {
			M map[string]any `json:",inline"`
		}{},
		struct {
			Q string `json:"'a,b'"`
		}{},
		struct{ E error }{},
		quoted{}, priced{}, map[int]string{}, map[float64]int{}, map[bool]int{}, map[any]int{}, map[time.Time]int{},
	} {
		if quickness(reflect.TypeOf(v)) != slow {
			t.Errorf("%T is decoded quickly", v)
		}
	}
	if n, err := Unmarshal[struct{ N json.Number }]([]byte(`{"N":12.50}`)); err != nil || n.N != "12.50" {
		t.Errorf("%v, %v", n, err)
	}
	for _, n := range []string{"+7", "Inf", "NaN", ".5"} {
		if q, err := Unmarshal[quoted]([]byte(`{"N":"` + n + `"}`)); err == nil {
			t.Errorf("%s is taken for a number: %v", n, q)
		}
	}
}

type quoted struct {
	N float64 `json:",string"`
}

// priced has a tag that encoding/json does not take, so that its field is called Price.
type priced struct {
	Price int `json:"price€"`
}

// TestSentIsRead: what is encoded is decoded under the same names and keys, and null is no number.
func TestSentIsRead(t *testing.T) {
	data, err := Marshal(priced{5})
	if p, err2 := Unmarshal[priced](data); err != nil || err2 != nil || p.Price != 5 {
		t.Errorf("%s becomes %+v: %v, %v", data, p, err, err2)
	}
	if m, err := Unmarshal[map[int]string]([]byte(`{"null":"a"}`)); err == nil {
		t.Errorf("null is the key %v", m)
	}
}

// counted counts how often its own code was given something.
type counted struct{}

var given int

func (*counted) UnmarshalJSON([]byte) error { given++; return nil }

// TestInOneGo: a text is decoded without a look at the whole of it before, unless code of the type's own would run.
func TestInOneGo(t *testing.T) {
	for _, v := range []any{deposit{}, purchase{}, codeless{}, "", new(int), []any{}, map[string]time.Time{}} {
		if quickness(reflect.TypeOf(v)) != inOneGo {
			t.Errorf("%T is not decoded in one go", v)
		}
	}
	for _, v := range []any{every{}, lower(""), map[lower]int{}, struct{ N []counted }{}, json.RawMessage{}} {
		if quickness(reflect.TypeOf(v)) != quickly {
			t.Errorf("%T is decoded in one go", v)
		}
	}
	if _, err := Unmarshal[struct{ N counted }]([]byte(`{"N":1,`)); err == nil || given > 0 {
		t.Errorf("the type's own code ran %d times before an error was found: %v", given, err)
	}
	if m, err := Unmarshal[map[string]int]([]byte(`{"a":1,`)); err == nil || m != nil {
		t.Errorf("what is left of a text that is refused: %v, %v", m, err)
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	for name, data := range map[string]string{
		"deposit": `{"account":"acc-123456","amount":5,"note":"aaaaaaaaaaaaaaaaaaaaaaaa"}`,
		"order":   `{"id":"o-1","at":"2026-01-02T03:04:05Z","lines":[` + strings.Repeat(`{"sku":"sku-1234567890","qty":3,"price":2.5,"Tags":["red","large"]},`, 11) + `{}],"attrs":{"a":"b","c":"d"},"total":1.5}`,
	} {
		fresh := corpusTypes[0]
		if name == "order" {
			fresh = corpusTypes[1]
		}
		for way, f := range map[string]func([]byte, any) error{"std": json.Unmarshal, "quick": decodeFresh} {
			b.Run(name+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f([]byte(data), fresh()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func decodeFresh(data []byte, target any) error { return decodeJSON(data, target, true) }
