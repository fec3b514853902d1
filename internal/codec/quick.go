// JSON that is decoded quickly, with the results of encoding/json

package codec

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	quick "github.com/go-json-experiment/json/v1"

	"github.com/clstr-go/clstr/internal/lossless"
)

// decodeJSON is json.Unmarshal in a third of the time, with the same results. Types that
// the two might decode differently go to encoding/json, and so does a text that the quick one refuses. One difference is left: the quick
// one takes a time.Time whose text has escaped characters.
// fresh says that the target is zero, and that only the caller has it, so no code sees what a refused text has left there.
func decodeJSON(data []byte, target any, fresh bool) error {
	t := reflect.TypeOf(target)
	if t == nil || t.Kind() != reflect.Pointer {
		return json.Unmarshal(data, target)
	}
	var err error
	switch how := quickness(t.Elem()); {
	case how == slow:
		return json.Unmarshal(data, target)
	case how == inOneGo && fresh:
		err = jsonv2.Unmarshal(data, target, oneGo)
	default:
		err = quick.Unmarshal(data, target)
	}
	if err == nil {
		return nil
	}
	if fresh {
		reflect.ValueOf(target).Elem().SetZero()
	}
	return json.Unmarshal(data, target) // whose errors callers know
}

// speed is how values of a type are decoded.
type speed int

const (
	slow    speed = iota // by encoding/json
	quickly              // by the quick one, which looks at the whole text before it decodes any of it, as encoding/json does
	inOneGo              // the same without that look, because no code of the type's own would run before an error is found
)

// oneGo are the options of package v1 without the look at the whole text. They differ only in errors.
var oneGo = jsonv2.JoinOptions(quick.DefaultOptionsV1(), quick.ReportErrorsWithLegacySemantics(false))

var quickTypes sync.Map // reflect.Type -> speed

// quickness is how values of a type are decoded: quickly if the two agree on all of them.
func quickness(t reflect.Type) speed {
	if how, known := quickTypes.Load(t); known {
		return how.(speed)
	}
	how := inOneGo
	if !agreeOn(t, &how, map[reflect.Type]bool{}) {
		how = slow
	}
	quickTypes.Store(t, how)
	return how
}

var (
	number = reflect.TypeFor[json.Number]()
	moment = reflect.TypeFor[time.Time]()
)

// agreeOn looks at a type and all that its values hold. seen ends circles. It makes how slower if code of the type's own decodes.
func agreeOn(t reflect.Type, how *speed, seen map[reflect.Type]bool) bool {
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
	for _, m := range []string{"UnmarshalJSON", "UnmarshalText"} {
		if _, has := reflect.PointerTo(t).MethodByName(m); has && t != moment {
			*how = quickly
		}
	}
	switch t.Kind() {
	case reflect.Map:
		return agreeOnKeys(t.Key()) && agreeOn(t.Key(), how, seen) && agreeOn(t.Elem(), how, seen)
	case reflect.Array, reflect.Pointer, reflect.Slice:
		return agreeOn(t.Elem(), how, seen)
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Struct:
		for f := range t.Fields() {
			if !plainTag(f.Tag.Get("json")) || !agreeOn(f.Type, how, seen) {
				return false
			}
		}
	}
	return true
}

// agreeOnKeys reports whether both read keys of a map alike. The other package takes null for the number 0, and kinds of keys
// that encoding/json refuses.
func agreeOnKeys(t reflect.Type) bool {
	return t.Kind() == reflect.String || t != moment && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// plainTag reports whether both read a tag alike: the other package knows more options, and takes names that encoding/json does
// not take. In quotes it takes numbers that encoding/json refuses, such as +7 and NaN.
func plainTag(tag string) bool {
	name, options, _ := strings.Cut(tag, ",")
	if name != lossless.JSONName(tag) {
		return false
	}
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "", "omitempty", "omitzero":
		default:
			return false
		}
	}
	return true
}
