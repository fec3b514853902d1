package codec

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Types of many shapes, whose values hold what encoding/json has rules of its own for.
type (
	Outer struct {
		A string
		Y int `json:"X"`
		Z *int
	}
	middle struct {
		A, X int
		Deeper
	}
	Deeper struct {
		D map[string]*Deeper
		E []Deeper
		F [2]loose
	}
	loose struct {
		G any
		H []any
		I map[string]any
		J *any
	}
	Named  struct{ P, Q int }
	count  int
	Word   string
	first  struct{ N, One int }
	Second struct{ N, Two int }

	embedding struct {
		middle
		*Outer
		first
		Second
		count
		Word
		*Named `json:"named"`
	}
	folding struct {
		A int    `json:"a_b"`
		B int    `json:"AB"`
		C string `json:"ab"`
		D int    `json:"k"`
		E string `json:"ſ"`
		F int    `json:"a b"`
		G int    `json:"a.b/c$%&<>"`
		H int    `json:"é"`
		I int    `json:"x"`
		J int    `json:"X"`
		K int    `json:"-,"` //lint:ignore SA5008 a name that some take for none
		l int
		M int `json:"l"`
	}
	numbers struct {
		U8   uint8
		U    uint
		Ptr  uintptr
		I16  int16
		F32  float32
		P    *int
		PP   **int
		Ps   []*int
		Maps map[string]map[string]int8
		Ends map[string]*deposit
		Vals map[string]deposit
		Many [][]line
		Two  map[string][2]int
	}
	octet    byte
	sized    byte
	binaries struct {
		A []octet
		B [3]octet
		C []sized
		D *[]byte
		E [2][]byte
		F map[string][]byte
		G time.Time
		H *time.Time
		I []time.Time
		J time.Duration
	}
	quotes string // its UnmarshalJSON is not for keys
	coded  struct{ S string }
	upper  struct{ S string }
	codes  struct {
		A map[quotes]int
		B map[upper]int
		C coded
		D *coded
		E map[string]coded
		F []coded
		G **coded
		H [2]upper
		I *upper
		J []json.RawMessage
		K *json.RawMessage
		upper
	}
	circle struct {
		*circle
		N int
		L []circle
		M map[string]circle
	}
	odd struct {
		C chan int
		F func()
		X complex128
		N int
	}
)

var _ = []any{embedding{}.count, folding{}.l, circle{}.circle} // they are there to be left out

func (q *quotes) UnmarshalJSON([]byte) error  { *q = "wrong"; return nil }
func (c *coded) UnmarshalText(b []byte) error { c.S += "text" + string(b); return nil }
func (c *coded) UnmarshalJSON(b []byte) error { c.S += "json" + string(b); return nil }
func (s *sized) UnmarshalText(b []byte) error { *s = sized(len(b)); return nil }

func (u *upper) UnmarshalText(b []byte) error {
	u.S = strings.ToUpper(string(b))
	if u.S == "A" {
		return strconv.ErrSyntax
	}
	return nil
}

var shapes = append([]func() any{
	func() any { return new(embedding) }, func() any { return new(folding) }, func() any { return new(numbers) }, func() any { return new(binaries) }, func() any { return new(codes) },
	func() any { return new(circle) }, func() any { return new(odd) }, func() any { return new(Deeper) }, func() any { return new([3]line) }, func() any { return new(**int) },
	func() any { return new([]sized) }, func() any { return new(map[quotes]int) }, func() any { return new(map[upper]int) }, func() any { return new(time.Time) }, func() any { return new(uint64) }, func() any { return new(struct{}) },
}, corpusTypes[:12]...)

// maker makes texts for types: mostly right ones.
type maker struct {
	*rand.Rand
	depth int
}

func (m *maker) of(all ...string) string { return all[m.IntN(len(all))] }

func (m *maker) space() string {
	if m.IntN(20) > 0 {
		return ""
	}
	return m.of(" ", "\n", "\t\r", "\v", "\u00a0")
}

func (m *maker) number() string {
	return m.of("0", "-0", "1", "-1", "127", "128", "-128", "-129", "255", "256", "65536", "1.0", "1.5", "-0.0", "1e2", "1E2", "1e-2", "0e0", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"18446744073709551615", "18446744073709551616", "1e400", "3.4028235e38", "3.4028236e38", "1e-400", "5e-324", "0.1", "16777217", "01", "+1", "1.", ".5", "-", "1e", "1e+", "0x1", "NaN", "1_0", "1.7976931348623159e308", "-1e0", "12300000e-5")
}

func (m *maker) text() string {
	var b strings.Builder
	for range m.IntN(4) {
		b.WriteString(m.of("a", "A", "0", "-", " ", "é", "K", "ſ", "😀", `\n`, `\"`, `\\`, `\/`, `\u0041`, `\u0000`, `\ud800`, `\udc00`, `\ud83d\ude00`, `\uD83D`, `\ud800\u0041`, "\xff", "\xc3", "\xed\xa0\x80", "\x7f", "\u2028", `\x`, `\u12`, "\t", "\x00", "\ufffd", "null", "true", "1", "AP8=", "=", "<"))
	}
	return `"` + b.String() + `"`
}

func (m *maker) moment() string {
	return m.of(`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.123456789Z"`, `"2026-01-02T03:04:05,5Z"`, `"2026-01-02T3:04:05Z"`, `"2026-01-02T03:04:05+24:00"`, `"2026-01-02T03:04:05-07:60"`, `"2026-01-02T24:00:00Z"`, `"2026-01-02T23:59:60Z"`,
		`"2026-02-30T00:00:00Z"`, `"10000-01-01T00:00:00Z"`, `"2026-01-02t03:04:05z"`, `"2026-01-02 03:04:05Z"`, `"2026-01-02T03:04:05"`, `""`, `"2026-01-02T03:04:05.Z"`, `"2026-01-02T03:04:05+0100"`, `"2026-01-02T03:04:05-00:00"`)
}

func (m *maker) base64() string {
	return m.of(`""`, `"AP8="`, `"AP8"`, `"AP9="`, `"AB=="`, `"A==="`, `"AQID"`, `"AQI D"`, `"AQ\nID"`, `"AQ\r\nID"`, `"____"`, `"\/\/8="`, `"AP8=="`, `"AAA=AAAA"`, `"A\u0051ID"`, "\"AQ\nID\"")
}

func (m *maker) any() string {
	switch m.IntN(8) {
	case 0:
		return m.number()
	case 1:
		return m.moment()
	case 2:
		return m.base64()
	case 3:
		return m.value(reflect.TypeFor[[]any]())
	case 4, 5:
		return m.value(reflect.TypeFor[map[string]any]())
	case 6:
		return m.of("true", "false", "null", "{}", "[]", "nul", "")
	}
	return m.text()
}

func (m *maker) value(t reflect.Type) string {
	if m.depth++; m.depth > 8 {
		m.depth--
		return "null"
	}
	defer func() { m.depth-- }()
	switch m.IntN(14) {
	case 0:
		return "null"
	case 1:
		return m.any()
	}
	switch k := t.Kind(); {
	case t == moment:
		return m.moment()
	case k == reflect.Pointer:
		return m.value(t.Elem())
	case k == reflect.String:
		return m.text()
	case (k == reflect.Slice || k == reflect.Array) && t.Elem().Kind() == reflect.Uint8 && m.IntN(2) == 0:
		return m.base64()
	case k == reflect.Slice || k == reflect.Array:
		return m.list("[", "]", func() string { return m.value(t.Elem()) })
	case k == reflect.Map:
		key := m.text()
		return m.list("{", "}", func() string {
			if m.IntN(3) > 0 { // otherwise the one before again
				key = m.text()
			}
			return key + m.space() + ":" + m.value(t.Elem())
		})
	case k == reflect.Struct:
		fields := fieldsOf(t, 0)
		var again reflect.StructField
		return m.list("{", "}", func() string {
			if len(fields) == 0 || m.IntN(12) == 0 {
				return m.text() + ":" + m.any()
			}
			f := fields[m.IntN(len(fields))]
			if again.Type != nil && m.IntN(3) == 0 {
				f = again
			}
			again = f
			return m.name(f) + m.space() + ":" + m.value(f.Type)
		})
	case k >= reflect.Int && k <= reflect.Float64:
		return m.number()
	}
	return m.any()
}

func (m *maker) list(begin, end string, one func() string) string {
	var all []string
	for range m.IntN(6) {
		all = append(all, m.space()+one()+m.space())
	}
	return begin + strings.Join(all, ",") + end
}

// name spells a field's name as a sender may.
func (m *maker) name(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" || m.IntN(10) == 0 {
		name = f.Name
	}
	switch m.IntN(8) {
	case 0:
		name = strings.ToUpper(name)
	case 1:
		name = strings.ToLower(name)
	case 2:
		name = strings.NewReplacer("k", "\u212a", "s", "ſ", "K", "\u212a", "S", "ſ").Replace(name)
	case 3:
		name = strings.NewReplacer("_", "", "-", "").Replace(name)
	case 4:
		r := []rune(name)
		return fmt.Sprintf(`"\u%04x%s"`, r[0], string(r[1:]))
	}
	b, _ := json.Marshal(name)
	return string(b)
}

// fieldsOf returns the fields of a struct and of those that it embeds.
func fieldsOf(t reflect.Type, depth int) (all []reflect.StructField) {
	for f := range t.Fields() {
		all = append(all, f)
		if f.Anonymous && depth < 3 {
			e := f.Type
			if e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			if e.Kind() == reflect.Struct {
				all = append(all, fieldsOf(e, depth+1)...)
			}
		}
	}
	return all
}

// agreesOnShapes makes a text from a seed, for one of the types. A second text comes over what the first has left.
func agreesOnShapes(t *testing.T, seed uint64) {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0))}
	fresh := shapes[m.IntN(len(shapes))]
	of := reflect.TypeOf(fresh()).Elem()
	before, data := m.value(of), m.space()+m.value(of)+m.space()
	if m.IntN(40) == 0 {
		data += m.of("x", "{}", ",", "null", "\x00", "]")
	}
	if m.IntN(40) == 0 {
		data = data[:m.IntN(len(data)+1)]
	}
	agreesIfQuick(t, data, fresh)
	agreesIfQuick(t, data, func() any {
		v := fresh()
		_ = json.Unmarshal([]byte(before), v)
		return v
	})
}

func agreesIfQuick(t *testing.T, data string, fresh func() any) {
	t.Helper()
	if quickness(reflect.TypeOf(fresh()).Elem()) != slow {
		agrees(t, data, fresh)
	}
}

// TestShapesAgree is TestQuickAgrees with texts of all sorts for types of all sorts.
func TestShapesAgree(t *testing.T) {
	for seed := range uint64(3000) {
		agreesOnShapes(t, seed)
	}
	quick := slices.DeleteFunc(slices.Clone(shapes), func(fresh func() any) bool { return quickness(reflect.TypeOf(fresh()).Elem()) == slow })
	if len(quick) < len(shapes)-2 {
		t.Errorf("only %d of %d types are decoded quickly", len(quick), len(shapes))
	}
}

func FuzzShapesAgree(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(agreesOnShapes)
}
