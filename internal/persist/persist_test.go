package persist

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/state"
)

// account is an entity that stores itself.
type account struct {
	Name  string
	Sum   int
	Notes string `json:"-"`
	how   *Options
}

func (a *account) Durable() (any, *Options) { return a, a.how }

// actor stores what its field holds.
type actor struct{ of any }

func (a *actor) State() any           { return a.of }
func (a *actor) SetState(v any) error { a.of = v; return nil }

type sum struct{ N int }

// stateOf is Of for what can be stored.
func stateOf(t *testing.T, a any, p *Options) State {
	t.Helper()
	s, err := Of(a, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOf: an actor is durable by its definition or by its handler, and not by both.
func TestOf(t *testing.T) {
	for what, c := range map[string]struct {
		actor   any
		p       *Options
		durable bool
		fault   string
	}{
		"by its definition":   {&account{how: &Options{}}, nil, true, ""},
		"by its handler":      {&actor{sum{}}, &Options{}, true, ""},
		"not durable":         {&account{}, nil, false, ""},
		"an actor without":    {&actor{sum{}}, nil, false, ""},
		"in the wrong place":  {&account{}, &Options{}, false, "by an option of its definition"},
		"without a state":     {&sum{}, &Options{}, false, "State() any"},
		"of a type for which": {&actor{make(chan int)}, &Options{}, true, "cannot be stored"},
	} {
		s, err := Of(c.actor, c.p)
		if s.Options != nil != c.durable || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %+v, %v", what, s.Options, err)
		}
	}
}

// TestRestore: what a stored state has left out is zero, and what is no state stays as the entity was made.
func TestRestore(t *testing.T) {
	a := &account{Name: "new", Sum: 7, Notes: "mine", how: &Options{Version: 2, Upgrade: func(version int, data []byte) ([]byte, error) {
		if version == 0 {
			return nil, errors.New("too old")
		}
		return []byte(strings.ReplaceAll(string(data), "Who", "Name")), nil
	}}}
	s := stateOf(t, a, nil)
	if err := s.Restore(&state.Record{Version: 2, Type: "json", State: []byte(`{"Name":"anna"}`)}); err != nil || a.Name != "anna" || a.Sum != 0 || a.Notes != "mine" {
		t.Errorf("%+v, %v", a, err)
	}
	if err := s.Restore(&state.Record{Version: 1, State: []byte(`{"Who":"bob"}`)}); err != nil || a.Name != "bob" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, r := range []state.Record{{Version: 3}, {Version: 0}, {Version: 2, Type: "protobuf"}, {Version: 2, Type: "json", State: []byte("[")}} {
		if err := s.Restore(&r); err == nil {
			t.Errorf("version %d, %s %q was read", r.Version, r.Type, r.State)
		}
	}
	p := &actor{&wrapperspb.Int64Value{}}
	if s := stateOf(t, p, &Options{}); s.Encoding() != "protobuf" || s.Restore(&state.Record{Type: "protobuf", State: []byte("\x08\x05")}) != nil {
		t.Errorf("%v is %s", p.of, s.Encoding())
	}
	if got := p.of.(*wrapperspb.Int64Value).Value; got != 5 {
		t.Errorf("got %d, want 5", got)
	}
}

// TestAfter: only a state that has changed is measured, and it must stay one that can be read again.
func TestAfter(t *testing.T) {
	a := &account{Name: strings.Repeat("n", 100), how: &Options{MaxState: 50}}
	s := stateOf(t, a, nil)
	was, err := s.Now()
	if err != nil {
		t.Fatal(err)
	}
	if _, is, err := s.After(was, false); err != nil || is != was {
		t.Errorf("a large state that has not changed: %v", err)
	}
	a.Sum++
	if _, is, err := s.After(was, false); !errors.Is(err, state.ErrTooLarge) || is != was {
		t.Errorf("a large state that has changed: %v", err)
	}
	a.Name = "n"
	if data, is, err := s.After(was, false); err != nil || is == was || string(data) != `{"Name":"n","Sum":1}` {
		t.Errorf("%s, %v", data, err)
	}
	p := &actor{(*sum)(nil)}
	s = stateOf(t, p, &Options{})
	none, err := s.Now()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.After(none, false); err != nil {
		t.Errorf("a key that begins with no state: %v", err)
	}
	p.of = &sum{1}
	_, is, err := s.After(none, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []any{(*sum)(nil), sum{2}, nil} {
		p.of = of
		if _, _, err := s.After(is, false); err == nil {
			t.Errorf("a %T after a *sum was taken", of)
		}
	}
}
