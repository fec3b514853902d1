// Which types a state may have: what JSON writes, it must be able to read

package persist

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/codec"
)

// Check returns an error for the type of an entity that would lose a part of its state, or whose
// stored state nothing could read. What State of a [Stateful] returns is known at its activation only.
func Check(entity reflect.Type) error {
	if entity.Implements(reflect.TypeFor[Stateful]()) {
		return nil
	}
	if err := codec.Check(entity); err != nil {
		return err
	}
	return formOf(entity).fault
}

// form is what is known of a type of states after the first look.
type form struct {
	t        reflect.Type
	protobuf bool
	fault    error // nil if JSON can read what it writes
}

var forms sync.Map // reflect.Type -> *form

func formOf(t reflect.Type) *form {
	if known, ok := forms.Load(t); ok {
		return known.(*form)
	}
	f := &form{t: t, protobuf: t.Implements(reflect.TypeFor[proto.Message]())}
	if where, why := unreadable(t, t.String(), map[reflect.Type]bool{}); why != "" {
		f.fault = fmt.Errorf("a %v cannot be stored: %s is %s. JSON could not read that again: change it, or say json:\"-\" where it is no state", t, where, why)
	}
	known, _ := forms.LoadOrStore(t, f)
	return known.(*form)
}

// typ returns the type; nil of nil.
func (f *form) typ() reflect.Type {
	if f == nil {
		return nil
	}
	return f.t
}

// unreadable returns a part of a type that JSON writes and cannot read.
func unreadable(t reflect.Type, at string, seen map[reflect.Type]bool) (where, why string) {
	if seen[t] {
		return "", ""
	}
	seen[t] = true
	has := func(m reflect.Type) bool { return reflect.PointerTo(t).Implements(m) }
	switch {
	case t.Kind() == reflect.Interface:
		if t.NumMethod() > 0 {
			return at, fmt.Sprintf("an interface (%v)", t)
		}
		return "", ""
	case t.Kind() == reflect.Pointer:
		if t.Implements(reflect.TypeFor[proto.Message]()) {
			return "", ""
		}
		return unreadable(t.Elem(), at, seen)
	case has(reflect.TypeFor[json.Marshaler]()):
		return missing(at, t, has(reflect.TypeFor[json.Unmarshaler]()), "JSON")
	case has(reflect.TypeFor[encoding.TextMarshaler]()):
		return missing(at, t, has(reflect.TypeFor[encoding.TextUnmarshaler]()), "Text")
	}
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128:
		return at, "a " + t.String()
	case reflect.Slice, reflect.Array:
		return unreadable(t.Elem(), at+"[]", seen)
	case reflect.Map:
		if k := t.Key(); k.Kind() != reflect.String {
			if where, why := unreadable(k, "a key of "+at, seen); why != "" {
				return where, why
			}
		}
		return unreadable(t.Elem(), at+"[]", seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Tag.Get("json") == "-", !f.IsExported() && (!f.Anonymous || name != ""):
				continue
			case !f.IsExported() && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct:
				return at + "." + f.Name, "an embedded pointer to a type that is not exported"
			}
			if !f.IsExported() && f.Type.Kind() != reflect.Struct { // JSON leaves it out
				continue
			}
			if where, why := unreadable(f.Type, at+"."+f.Name, seen); why != "" {
				return where, why
			}
		}
	}
	return "", ""
}

func missing(at string, t reflect.Type, reads bool, how string) (where, why string) {
	if reads {
		return "", ""
	}
	return at, fmt.Sprintf("a %v, which has Marshal%s and no Unmarshal%s", t, how, how)
}
