// Whose bytes are whose: a store's own, its writer's, its readers'

package statetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

// ownBytes: once a caller has its answer, it may change the bytes that it gave, and the entries that it has read. What it has read
// stays as it was, whatever the store does next.
func ownBytes(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	shard := uint32(0)
	for name := range parts(state.Token{}) {
		shard++
		token := open(t, s, shard, state.Owner{}, none)
		var told [][2]state.Entry
		stop, err := s.Watch(state.Range{Place: state.Records, Shard: shard}, func(e state.Entry) {
			told = append(told, [2]state.Entry{e, e.Clone()})
		})
		if err != nil {
			t.Fatal(err)
		}
		c := parts(token)[name]
		must(t, s, c)
		spoil(reflect.ValueOf(&c))
		c = parts(token)[name]
		want := map[state.Place]int{}
		for _, e := range state.Entries(c) {
			if e.Shard == shard {
				want[e.Place]++
			}
		}
		kept := map[state.Place][]state.Entry{}
		for p, n := range want {
			es := await(t, s, token, p, shard, n)
			spoil(reflect.ValueOf(&es))
			kept[p] = read(t, s, token, state.Range{Place: p, Shard: shard})
			wantParts(t, name+", after its bytes were changed", c, kept[p])
		}
		next := set(token, "a", 2, "another state, which is longer than the first")
		next.Events = []state.Event{{Number: 2, Type: "Closed", Payload: []byte("another")}}
		must(t, s, next)
		for p := range want {
			read(t, s, token, state.Range{Place: p, Shard: shard})
			wantParts(t, name+", read before the next change", c, kept[p])
		}
		stop()
		for _, e := range told {
			if e[0].Rev > 0 && !reflect.DeepEqual(e[0], e[1]) {
				t.Errorf("%s: told %+v, which has become %+v", name, e[1], e[0])
			}
		}
	}
	m := state.Mail{Shard: 7, Kind: kind, Key: "b", Header: map[string]string{"h": "right"}, Payload: []byte("right")}
	if _, err := s.Append(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	m.Header["h"] = "wrong"
	copy(m.Payload, "wrong")
	token := open(t, s, 7, state.Owner{}, none)
	for _, e := range await(t, s, token, state.Inbox, 7, 1) {
		if string(e.Mail.Payload) != "right" || e.Mail.Header["h"] != "right" {
			t.Errorf("mail from outside, after its bytes were changed: %q, %q", e.Mail.Payload, e.Mail.Header)
		}
	}
}

// spoil changes what a value leads to.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Struct:
		if _, is := v.Interface().(time.Time); !is {
			for i := range v.NumField() {
				spoil(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.ValueOf("spoiled"))
		}
	case reflect.String:
		v.SetString("spoiled")
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	}
}
