package keeper

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

// TestOpsKeepChanges whole, whatever they have: also a field that is new.
func TestOpsKeepChanges(t *testing.T) {
	token := state.Token{Shard: 7, N: 3, By: "me"}
	same := func(name string, c state.Change) {
		t.Helper()
		o := opOf(&c, nil)
		o.token = &token
		if c.Token = token; !reflect.DeepEqual(*o.change(), c) {
			t.Errorf("%s: of %+v, record %+v is kept %+v, record %+v", name, c, c.Record, *o.change(), o.change().Record)
		}
	}
	base := func() state.Change {
		return state.Change{Kind: "k", Key: "key", Record: &state.Record{Number: 5, Version: 2, Type: "json", TTL: time.Hour, State: []byte("{}")}}
	}
	if c := base(); opOf(&c, nil).more != nil {
		t.Error("what most changes have is kept with all that others have")
	}
	same("most changes", base())
	for name, r := range map[string]state.Record{
		"empty": {}, "protobuf": {Number: 1, Type: "protobuf", State: []byte{}}, "deleted": {Number: 1, Deleted: true, TTL: time.Hour},
		"deleted, with a type": {Number: 1, Deleted: true, Type: "json"}, "another type": {Number: 1, Type: "text"},
		"a large version": {Number: 1, Type: "json", Version: math.MaxInt32 + 1}, "a negative version": {Number: 1, Type: "json", Version: -1},
	} {
		same(name, state.Change{Kind: "k", Key: "key", Record: &r})
	}
	same("events", state.Change{Kind: "k", Key: "key", Events: []state.Event{{Number: 9}}})
	for f := range reflect.TypeFor[state.Record]().Fields() {
		c := base()
		fill(reflect.ValueOf(c.Record).Elem().FieldByIndex(f.Index))
		same("Record."+f.Name, c)
	}
	for f := range reflect.TypeFor[state.Change]().Fields() {
		c := base()
		fill(reflect.ValueOf(&c).Elem().FieldByIndex(f.Index))
		same("Change."+f.Name, c)
	}
}

// fill gives a value another one.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.String:
		v.SetString("other")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
		}
	default:
		v.Set(reflect.ValueOf(99).Convert(v.Type()))
	}
}
