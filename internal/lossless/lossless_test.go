package lossless

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type (
	amount  struct{ cents int } // unexported only
	byValue struct{ cents int }
	pointer struct{ cents int }
	lower   struct{ V int }
	shown   struct{ V int }
	tree    struct {
		Left, Right *tree
		Name        string
	}
	generic[T any] struct {
		//lint:ignore U1000 an embedded type that is lost
		byValue
		V T
	}
	own struct {
		time.Time
		Name string
	}
	onlyTime struct{ time.Time }
	halfOwn  struct {
		time.Time
		Name string
	}
)

func (a byValue) MarshalJSON() ([]byte, error)     { return json.Marshal(a.cents) }
func (a *pointer) MarshalJSON() ([]byte, error)    { return json.Marshal(a.cents) }
func (g generic[T]) MarshalJSON() ([]byte, error)  { return json.Marshal(g.V) }
func (g *generic[T]) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &g.V) }
func (o own) MarshalJSON() ([]byte, error)         { return json.Marshal(o.Name) }
func (o *own) UnmarshalJSON(b []byte) error        { return json.Unmarshal(b, &o.Name) }
func (o halfOwn) MarshalJSON() ([]byte, error)     { return json.Marshal(o.Name) }

// twice is a struct with one JSON name twice, which vet does not let stand here.
func twice() any {
	of := reflect.TypeFor[int]()
	v := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "A", Type: of, Tag: `json:"x"`}, {Name: "B", Type: of, Tag: `json:"x"`}}))
	v.Elem().Field(0).SetInt(1)
	return v.Interface()
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		v    any
		want []string // in the fault; none: there is none
	}{
		{v: 7},
		{v: "text"},
		{v: []byte("x")},
		{v: map[string]int{}},
		{v: struct{}{}},
		{v: struct{ A, B int }{}},
		{v: &tree{}},
		{v: time.Time{}},
		{v: big.Int{}},
		{v: netip.Addr{}},
		{v: json.RawMessage{}},
		{v: own{}},
		{v: generic[int]{}},
		{v: onlyTime{}}, // nothing is lost
		{v: struct{ At time.Time }{}},
		{v: struct {
			N  int
			mu sync.Mutex
		}{}},
		{v: struct {
			Mu sync.Mutex `json:"-"`
			N  int
		}{}},
		{v: struct{ shown }{}}, // its fields are shown
		{v: struct {
			A int `json:"x"`
			X int
		}{}},
		{v: struct{ V any }{}},
		{v: struct {
			lower
			V int // hides the other, as in Go
		}{}},
		{v: struct{ V []byValue }{}},
		{v: map[string]*pointer{}},
		{v: struct{ Pending map[string]struct{} }{}},

		{amount{}, []string{"it is a lossless.amount", "unexported fields only (cents)", "MarshalJSON"}},
		{&amount{}, []string{"unexported fields only"}},
		{struct{ Sum amount }{}, []string{"field Sum", "lossless.amount"}},
		{struct{ In struct{ Sums []amount } }{}, []string{"field In.Sums"}},
		{map[string]amount{}, []string{"lossless.amount"}},
		{struct{ N atomic.Int64 }{}, []string{"field N", "atomic.Int64"}},
		{struct{ sync.Mutex }{}, []string{"unexported fields only"}},
		{struct{ Mu sync.RWMutex }{}, []string{"field Mu"}},
		{struct {
			time.Time
			Name string
		}{}, []string{"field Time", "embeds time.Time", "MarshalJSON", "Name would be lost", "a name"}},
		{struct {
			*time.Time
			Name, Other string
		}{}, []string{"embeds *time.Time", "Name, Other would be lost"}},
		{struct {
			json.Marshaler
			Name string
		}{}, []string{"embeds json.Marshaler"}},
		{struct {
			*big.Int
			Unit string
		}{}, []string{"field Int"}},
		{struct {
			netip.Addr
			Port int
		}{}, []string{"field Addr", "MarshalText", "Port would be lost"}},
		{struct {
			pointer
			Name string
		}{}, []string{"field pointer", "MarshalJSON"}},
		{halfOwn{}, []string{"field Time", "UnmarshalJSON"}},
		{struct{ E []halfOwn }{}, []string{"field E.Time"}},
		{struct {
			byValue
			pointer
			N int
		}{}, []string{"beside another"}},
		{map[string]pointer{}, []string{"in a map", "*lossless.pointer"}},
		{twice(), []string{`JSON name "x"`, "A", "B"}},
		{tagged("A", `json:"B"`, "B", ""), []string{`field A has the JSON name "B", as B has`}}, // A wins, and B is lost
		{tagged("A", `json:"€"`, "B", `json:"A"`), []string{`field A has the JSON name "A", as B has`}},
		{struct {
			lower
			shown
		}{}, []string{`JSON name "V"`}},
	} {
		fault := Check(reflect.TypeOf(c.v)).Fault
		if (fault != nil) != (c.want != nil) {
			t.Errorf("%T: %v", c.v, fault)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(fault.Error(), w) {
				t.Errorf("%T: %q does not say %q", c.v, fault, w)
			}
		}
	}
}

// TestFaultsAreLosses: each kind of type that is refused does lose something, and what
// is not refused does not.
func TestFaultsAreLosses(t *testing.T) {
	hidden := reflect.New(reflect.TypeOf(tagged("A", `json:"B"`, "B", "")))
	hidden.Elem().Field(1).SetInt(5)
	for _, c := range []struct {
		v    any
		loss bool
	}{
		{hidden.Interface(), true},
		{&amount{1}, true}, {&byValue{1}, false}, {&onlyTime{time.Unix(1, 0).UTC()}, false},
		{&struct {
			time.Time
			Name string
		}{time.Unix(1, 0).UTC(), "x"}, true},
		{twice(), true},
		{&struct {
			lower
			shown
		}{lower{1}, shown{2}}, true},
		{&shown{1}, false},
	} {
		if fault := Check(reflect.TypeOf(c.v)).Fault; (fault != nil) != c.loss {
			t.Errorf("%T: %v", c.v, fault)
		}
		data, err := json.Marshal(c.v)
		if err != nil {
			t.Fatal(err)
		}
		zero, _ := json.Marshal(reflect.New(reflect.TypeOf(c.v).Elem()).Interface())
		_, isTime := c.v.(interface{ Unix() int64 })
		if lost := string(data) == string(zero) || isTime && !strings.Contains(string(data), `"x"`); lost != c.loss && !(isTime && !c.loss) {
			t.Errorf("%T: as JSON %s, its zero value %s", c.v, data, zero)
		}
	}
}

func TestAddressed(t *testing.T) {
	for _, c := range []struct {
		v    any
		want bool
	}{
		{7, false}, {byValue{}, false}, {pointer{}, true}, {struct{ Sum pointer }{}, true}, {struct{ Sum byValue }{}, false},
	} {
		if got := Check(reflect.TypeOf(c.v)).Addressed; got != c.want {
			t.Errorf("%T: addressed %v", c.v, got)
		}
	}
}

// TestCheckError: an error that does not decode is dropped by its caller.
func TestCheckError(t *testing.T) {
	type step struct {
		Step string
		Err  error
	}
	type hidden struct {
		Step string
		Err  error `json:"-"`
	}
	if fault := CheckError(reflect.TypeFor[*step]()).Fault; fault == nil || !strings.Contains(fault.Error(), "field Err") {
		t.Errorf("got %v", fault)
	}
	if fault := CheckError(reflect.TypeFor[*hidden]()).Fault; fault != nil {
		t.Error(fault)
	}
	if fault := Check(reflect.TypeFor[step]()).Fault; fault != nil {
		t.Error(fault) // decoding it says so
	}
}
