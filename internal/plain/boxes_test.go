package plain_test

import (
	"reflect"
	"runtime"
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
)

// boxed is a message that refers to memory of all kinds.
type boxed struct {
	N     int
	Text  string
	Parts []string
	Map   map[string]int
	Next  *boxed
}

func boxedOf(n int) boxed {
	return boxed{n, "text", []string{"a", "b"}, map[string]int{"c": n}, &boxed{N: n, Parts: []string{"d"}}}
}

// comesBack reports whether the memory of a freed value is that of a later copy. A sync.Pool may lose what it has.
func comesBack[M any](t *testing.T, of *plain.Type, use plain.Use, m M, free func(*plain.Value)) bool {
	t.Helper()
	for range 100 {
		v, ok := plain.Copy(of, use, m)
		if !ok {
			t.Fatalf("a %T is not copied", m)
		}
		was := plain.Pointer(&v)
		free(&v)
		next, _ := plain.Copy(of, use, m)
		if plain.Pointer(&next) == was {
			return true
		}
	}
	return false
}

func free(v *plain.Value) { v.Free() }

// TestWhatComesBack: the memory of messages, and of replies that were taken as values; nothing that other code may have.
func TestWhatComesBack(t *testing.T) {
	of := plain.Of(reflect.TypeFor[boxed]())
	m := boxedOf(1)
	if !comesBack(t, of, plain.Message, m, free) || !comesBack(t, of, plain.Message, &m, free) {
		t.Error("a message's memory does not come back")
	}
	if !comesBack(t, of, plain.Reply, m, func(v *plain.Value) { plain.Taken(of, plain.Take[boxed](v)) }) {
		t.Error("a reply's memory does not come back")
	}
	if comesBack(t, of, plain.Message, m, func(v *plain.Value) { k := v.Kept(); k.Free() }) {
		t.Error("the memory of a value that is kept comes back")
	}
	if comesBack(t, of, plain.Reply, m, func(v *plain.Value) { k := v.Kept(); plain.Taken(of, plain.Take[boxed](&k)) }) {
		t.Error("the memory of a reply that is kept comes back")
	}
	s := wrapperspb.String("text")
	if of := codec.Plain(reflect.TypeOf(s)); !comesBack(t, of, plain.Message, s, free) {
		t.Error("the memory of a protobuf message does not come back")
	} else if comesBack(t, of, plain.Reply, s, func(v *plain.Value) { plain.Taken(of, plain.Take[*wrapperspb.StringValue](v)) }) {
		t.Error("a reply that its caller has as a pointer comes back")
	}
	list := structpb.NewListValue(&structpb.ListValue{}) // whichever way it is copied
	v, _ := plain.CopyAny(codec.Plain(reflect.TypeOf(list)), plain.Message, list)
	v.Free()
	var none plain.Value
	none.Free()
	if got := plain.Taken(nil, &m); got.N != m.N {
		t.Error("what is not plain is not given back")
	}
}

// TestNothingIsLeftInABox: a value in memory that has come back has nothing of the one before, and what was taken out of that one stays.
func TestNothingIsLeftInABox(t *testing.T) {
	of := plain.Of(reflect.TypeFor[boxed]())
	for n := range 100 {
		m := boxedOf(n)
		v, _ := plain.Copy(of, plain.Message, m)
		out := plain.Out[boxed](&v)
		pointer := plain.Out[*boxed](&v)
		v.Free()
		r, _ := plain.Copy(of, plain.Reply, m)
		reply := plain.Taken(of, plain.Take[boxed](&r))
		for _, none := range []any{boxed{}, &boxed{}} {
			for _, use := range []plain.Use{plain.Message, plain.Reply} {
				if v, _ := plain.CopyAny(of, use, none); !reflect.DeepEqual(plain.Pointer(&v), &boxed{}) {
					t.Fatalf("in the next value there is %+v", plain.Pointer(&v))
				}
			}
		}
		if !reflect.DeepEqual(out, m) || !reflect.DeepEqual(*pointer, m) || !reflect.DeepEqual(reply, m) {
			t.Fatalf("what was taken out has changed: %+v, %+v, %+v", out, pointer, reply)
		}
		m.Parts[0], m.Map["c"], m.Next.N = "changed", -1, -1
		if reflect.DeepEqual(out, m) || slices.Equal(reply.Parts, m.Parts) {
			t.Fatal("what was taken out changes with the message")
		}
	}
}

// TestABoxKeepsNothing: what a message has referred to goes with the message.
func TestABoxKeepsNothing(t *testing.T) {
	of := plain.Of(reflect.TypeFor[boxed]())
	boxes := make([]plain.Value, 64)
	for i := range boxes {
		boxes[i], _ = plain.Copy(of, plain.Message, boxedOf(i))
	}
	var at []any // what they are in, which the pool has too
	for i := range boxes {
		at = append(at, plain.Pointer(&boxes[i]))
		boxes[i].Free()
	}
	for i, p := range at {
		if m := p.(*boxed); m.Text != "" || m.Parts != nil || m.Map != nil || m.Next != nil {
			t.Fatalf("box %d keeps %+v", i, m)
		}
	}
	runtime.KeepAlive(at)
}
