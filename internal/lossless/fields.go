// What an encoder would leave out of the fields of a struct, and of their names

package lossless

import (
	"reflect"
)

// fields looks at a struct that the encoder takes apart.
func (w *walk) fields(t reflect.Type, path string, addressed bool) {
	names := map[string][]named{}
	shown := w.collect(t, path, addressed, 0, names)
	if !shown && t.NumField() > 0 && w.verdict.Fault == nil {
		w.fault(path, `is a %v, which has unexported fields only (%s), and %s leaves them out: export them, give it %s and %s, or say json:"-" where that is meant`, t, t.Field(0).Name,
			w.name, w.own[0].marshal.name, w.own[0].unmarshal.name)
	}
	for name, all := range names {
		if two, ok := clash(all); ok {
			w.fault(join(path, two[0].field), "has the %s name %q, as %s has, and %[1]s leaves out one of them, or both", w.name, name, two[1].field)
			return
		}
	}
}

// maxEmbedded bounds the depth of structs that embed each other by pointer.
const maxEmbedded = 16

// named is a field under its encoded name.
type named struct {
	field string
	depth int
}

// collect looks at the fields of a struct and of those that it embeds. It returns
// whether there is any that the encoder shows, or that was left out on purpose.
func (w *walk) collect(t reflect.Type, path string, addressed bool, depth int, names map[string][]named) (shown bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := w.tag(f)
		if tag == "-" {
			shown = true
			continue
		}
		name := w.nameIn(tag)
		inner, at := f.Type, addressed
		if inner.Kind() == reflect.Pointer {
			inner, at = inner.Elem(), true
		}
		if f.Anonymous && name == "" && inner.Kind() == reflect.Struct {
			if w.isMarshaler(inner) {
				w.fault(join(path, f.Name), "embeds %v beside another type that encodes itself, and then neither does: give them names", f.Type)
			}
			if depth < maxEmbedded && w.collect(inner, path, at, depth+1, names) || inner.NumField() == 0 {
				shown = true
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		shown = true
		n := named{f.Name, depth}
		if name == "" {
			name = f.Name
		}
		names[name] = append(names[name], n)
		w.look(f.Type, join(path, f.Name), addressed)
	}
	return shown
}

// clash returns two fields of one name: the encoder takes the one with a tag, or none. A field that hides one of an embedded
// struct is no clash, because it does so in Go too.
func clash(all []named) (two [2]named, ok bool) {
	var first []named // the least deep
	for _, n := range all {
		switch {
		case len(first) == 0 || n.depth < first[0].depth:
			first = []named{n}
		case n.depth == first[0].depth:
			first = append(first, n)
		}
	}
	if len(first) < 2 {
		return two, false
	}
	return [2]named{first[0], first[1]}, true
}
