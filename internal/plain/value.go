// Value: a message as a Go value

package plain

import (
	"reflect"
	"unsafe"
)

// Value is a copy of a message. No code changes it, so any number of goroutines may read it. The zero
// Value is none.
type Value struct {
	of   *Type
	p    any // a pointer to a value of the type
	size int32
	kept bool // more than one may take it
}

// Copy makes a Value of a message of the plain type, or of a pointer to one. It returns false if JSON cannot write the
// message or would not give it back, and if it may be a circle. The encoder then says what is wrong with it.
func Copy[M any](t *Type, use Use, message M) (v Value, ok bool) {
	if reflect.TypeFor[M]() != t.of {
		return CopyAny(t, use, message)
	}
	p, ok := t.boxes[use].get().(*M)
	if !ok {
		p = new(M)
	}
	*p = message
	return t.own(p, unsafe.Pointer(p))
}

// CopyAny is Copy for a message whose type the compiler does not know. What an interface holds does not change. So a
// flat message that JSON would give back as it is needs no copy.
func CopyAny(t *Type, use Use, message any) (v Value, ok bool) {
	from := reflect.ValueOf(message)
	if from.Kind() != reflect.Pointer {
		if t.asIs != nil {
			return t.held(message)
		}
		to := reflect.New(t.of)
		to.Elem().Set(from)
		return t.own(to.Interface(), to.UnsafePointer())
	}
	if from.IsNil() {
		return Value{}, false
	}
	return t.copied(t.boxes[use].get(), message)
}

// held makes a Value of what an interface holds, for several takers, because other code may have the interface too.
func (t *Type) held(message any) (v Value, ok bool) {
	p, at := t.asIs, words(&message)[1]
	words(&p)[1] = at
	v, ok = t.value(p, t.copy(at, at, 0))
	v.kept = true
	return v, ok
}

// words are the two words of an interface: its type, and where its value is.
func words(i *any) *[2]unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(i)) }

// Type returns the value's type; nil if there is no value.
func (v *Value) Type() *Type { return v.of }

// Size is how many bytes the value has when it is encoded, or a few more.
func (v *Value) Size() int { return int(v.size) }

// Encoded returns the value's bytes.
func (v *Value) Encoded() []byte { return v.of.encode(v.p) }

// Kept returns the value for several takers: each then takes a copy.
func (v Value) Kept() Value {
	v.kept = true
	return v
}

// Out returns a copy of the value: M is the value's type, or a pointer to it.
func Out[M any](v *Value) M {
	if p, ok := v.p.(*M); ok && v.of.flat {
		return *p
	}
	return as[M](v.again())
}

// Take returns the value itself, or a copy if the value is kept. Nothing else may use the value itself afterwards. M is
// the value's type, or a pointer to it.
func Take[M any](v *Value) *M {
	p := v.p
	if v.kept {
		p = v.again()
	}
	if m, ok := p.(*M); ok {
		return m
	}
	m := p.(M)
	return &m
}

func as[M any](p any) M {
	if m, ok := p.(*M); ok {
		return *m
	}
	return p.(M)
}

// again returns a pointer to a copy of the value.
func (v *Value) again() any {
	c, _ := v.of.copied(nil, v.p)
	return c.p
}
