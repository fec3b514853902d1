// What an encoder would silently leave out of a type

// Package lossless checks a type before its first value is encoded. Encoders of JSON and CBOR silently leave
// things out, and then another message arrives than the one that was sent. It also finds text in a value that
// they would change. It imports only the standard library.
//
//	verdict := lossless.Check(reflect.TypeFor[Event]())
//	if verdict.Fault != nil { ... } // field Time: embeds time.Time, whose ...
package lossless

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
)

// Verdict is the result of a check of a type.
type Verdict struct {
	// Fault names a field that would be lost, and what to do about it; nil is none.
	Fault error
	// Addressed: a part of the type encodes itself by a method of its pointer. encoding/json
	// calls that method only for a value that it gets by pointer.
	Addressed bool
}

// Check looks at everything that a value of type t holds. It does not look into types with a
// MarshalJSON or MarshalText of their own.
func Check(t reflect.Type) Verdict {
	w := walk{format: asJSON, seen: map[place]bool{}}
	w.look(t, "", true)
	return w.verdict
}

// CheckCBOR is Check for an encoder of CBOR that reads the tags of a field, cbor or else json, as encoding/json reads
// them. A type encodes itself with MarshalCBOR, or else MarshalBinary, or else MarshalText.
func CheckCBOR(t reflect.Type) error {
	w := walk{format: asCBOR, seen: map[place]bool{}}
	w.look(t, "", true)
	return w.verdict.Fault
}

// CheckError is Check for a type of errors. A caller drops errors that do not decode, so a field
// that does not decode is as good as lost.
func CheckError(t reflect.Type) Verdict {
	w := walk{format: asJSON, seen: map[place]bool{}, decodes: true}
	w.look(t, "", true)
	return w.verdict
}

// walk is one look at a type.
type walk struct {
	*format
	verdict Verdict
	seen    map[place]bool
	decodes bool // what cannot be decoded is a fault, too
}

type place struct {
	t         reflect.Type
	addressed bool
}

// look is called with the path of fields to t. addressed is whether the encoder can
// take the address of such a value.
func (w *walk) look(t reflect.Type, path string, addressed bool) {
	if w.verdict.Fault != nil || w.seen[place{t, addressed}] {
		return
	}
	w.seen[place{t, addressed}] = true
	if t.Kind() == reflect.Pointer {
		w.look(t.Elem(), path, true)
		return
	}
	if w.encodesItself(t, path, addressed) {
		return
	}
	switch t.Kind() {
	case reflect.Slice:
		w.look(t.Elem(), path, true)
	case reflect.Array:
		w.look(t.Elem(), path, addressed)
	case reflect.Map:
		if w.copies { // JSON has refused keys that do not encode themselves
			w.look(t.Key(), path, false)
		}
		w.look(t.Elem(), path, false)
	case reflect.Interface:
		if w.decodes && t.NumMethod() > 0 {
			w.fault(path, `is a %v, which JSON cannot decode: leave it out with json:"-"; errors that Unwrap returns travel by themselves`, t)
		}
	case reflect.Struct:
		w.fields(t, path, addressed)
	}
}

// encodesItself looks at the methods with which a t encodes itself.
func (w *walk) encodesItself(t reflect.Type, path string, addressed bool) bool {
	for _, m := range w.own {
		byPointer := reflect.PointerTo(t).Implements(m.of)
		switch {
		case t.Implements(m.of):
		case !byPointer:
			continue
		case w.copies:
		case !addressed:
			w.fault(path, "holds values of %v in a map, where the %s of *%v is not called: give it a value receiver, or let the map hold pointers", t, m.marshal.name, t)
			return true
		default:
			w.verdict.Addressed = true
		}
		w.promoted(t, path, m.marshal)
		w.promoted(t, path, m.unmarshal)
		return true
	}
	if w.format == asCBOR && t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(jsonMarshaler.of) {
		w.fault(path, "is a %v, whose MarshalJSON is not called for CBOR: give it MarshalCBOR and UnmarshalCBOR", t)
		return true
	}
	return false
}

// promoted finds a struct that encodes itself by a method of a field that it embeds.
// Then only that field is encoded. If the struct has no other field, nothing is lost.
func (w *walk) promoted(t reflect.Type, path string, m method) {
	from, ok := Promoted(t, m.of)
	if !ok {
		return
	}
	var lost []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Index[0] != from.Index[0] && w.shows(f) {
			lost = append(lost, f.Name)
		}
	}
	if len(lost) > 0 {
		w.fault(join(path, from.Name), "embeds %v, whose %s is for that alone: %s would be lost. Give the field a name, or %v a %s of its own",
			from.Type, m.name, strings.Join(lost, ", "), t, m.name)
	}
}

// shows reports whether the encoder would show a field.
func (w *walk) shows(f reflect.StructField) bool {
	if w.tag(f) == "-" {
		return false
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !f.Anonymous || t.Kind() != reflect.Struct {
		return f.IsExported()
	}
	for i := range t.NumField() {
		if w.shows(t.Field(i)) {
			return true
		}
	}
	return w.isMarshaler(t)
}

// Promoted returns the field of a struct that a method of the struct's, or of its
// pointer's, is promoted from. It returns false for a method that is its own.
func Promoted(t reflect.Type, method func(reflect.Type) (reflect.Method, bool)) (from reflect.StructField, ok bool) {
	if t.Kind() != reflect.Struct {
		return from, false
	}
	m, ok := method(t)
	if !ok {
		if m, ok = method(reflect.PointerTo(t)); !ok {
			return from, false
		}
	}
	// A method of its own has a place in a file. One that is promoted is a wrapper, which
	// the compiler has made.
	pc := m.Func.Pointer()
	if file, _ := runtime.FuncForPC(pc).FileLine(pc); file != "<autogenerated>" {
		return from, false
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous {
			continue
		}
		_, byValue := method(f.Type)
		_, byPointer := method(reflect.PointerTo(f.Type))
		if byValue || byPointer && f.Type.Kind() != reflect.Interface {
			return f, true
		}
	}
	return from, false
}

func (w *walk) fault(path, format string, args ...any) {
	if w.verdict.Fault != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if path == "" {
		w.verdict.Fault = fmt.Errorf("it %s", text)
		return
	}
	w.verdict.Fault = fmt.Errorf("field %s %s", path, text)
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
