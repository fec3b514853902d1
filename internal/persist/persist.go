// What of an actor is stored: its encoding, and its upgrades

package persist

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"reflect"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/state"
)

// Options is what actor.Persistence is made of. Its fields are described there.
type Options struct {
	Version  int
	Upgrade  func(version int, data []byte) ([]byte, error)
	TTL      time.Duration
	Behind   time.Duration
	MaxState int
	Window   time.Duration
}

// What a state may hold, in bytes: the rest of a change is for what goes with it.
const (
	defaultMaxState = 512 << 10
	mostState       = state.MaxState - 64<<10
)

// Validate panics on a value out of range, for what was given it.
func (p *Options) Validate(of string) {
	switch {
	case p.Version < 0:
		panic(fmt.Sprintf("clstr: %s: Version %d: 0 or more", of, p.Version))
	case p.TTL < 0 || p.TTL%time.Second != 0:
		panic(fmt.Sprintf("clstr: %s: TTL %v: 0 (never) or whole seconds", of, p.TTL))
	case p.Behind < -1:
		panic(fmt.Sprintf("clstr: %s: Behind %v: -1 (only when asked), 0 (write-through) or a duration", of, p.Behind))
	case p.Window < 0 || p.Window > mostWindow:
		panic(fmt.Sprintf("clstr: %s: Window %v: 0 (default) to %v", of, p.Window, mostWindow))
	case p.MaxState < 0 || p.MaxState > mostState:
		panic(fmt.Sprintf("clstr: %s: MaxState %d: 0 (default) to %d", of, p.MaxState, mostState))
	}
}

// For how long a key knows the messages with an ID that it has carried out.
const (
	defaultWindow = 10 * time.Minute
	mostWindow    = 12 * time.Hour // less than markTime
)

// IDWindow is Window, or less if TTL is short: the IDs in a record go with the record.
func (p *Options) IDWindow() time.Duration {
	w := cmp.Or(p.Window, defaultWindow)
	if p.TTL > 0 {
		w = min(w, p.TTL/10*9)
	}
	return w
}

// Stateful is what actor.Stateful is made of.
type Stateful interface {
	State() any
	SetState(v any) error
}

// Durable is an entity whose definition may say that its state is stored.
type Durable interface {
	// Durable returns what is stored, a pointer to it or a [Stateful], and how; p is nil
	// for an entity that is not durable.
	Durable() (of any, p *Options)
}

// State is what an incarnation stores. The zero value stores nothing. Each idle key has one, so it is small.
type State struct {
	of any
	*Options
	as *form // of the state; nil if the method State of a Stateful has returned nil
}

// Encoding is what a record calls the encoding of the state.
func (s State) Encoding() string {
	if s.as != nil && s.as.protobuf {
		return "protobuf"
	}
	return "json"
}

// Of returns what is stored of an actor. p is for an actor that does not say so itself; nil if its state is not stored.
// Of calls the actor's own code.
func Of(actor any, p *Options) (s State, err error) {
	switch d, says := actor.(Durable); {
	case says:
		of, own := d.Durable()
		if own == nil && p != nil {
			return State{}, fmt.Errorf("a %T is durable by an option of its definition, not of its handler", of)
		}
		s = State{of: of, Options: own}
	case p != nil:
		of, ok := actor.(Stateful)
		if !ok {
			return State{}, fmt.Errorf("a %T cannot be durable: it has no methods State() any and SetState(any) error", actor)
		}
		s = State{of: of, Options: p}
	}
	if s.Options == nil {
		return State{}, nil
	}
	st, ok := s.of.(Stateful)
	if !ok {
		s.as = formOf(reflect.TypeOf(s.of))
		return s, nil
	}
	if t := reflect.TypeOf(st.State()); t != nil {
		s.as = formOf(t)
		err = s.as.fault
	}
	return s, err
}

// encode returns the state in a room, and whether it is a nil pointer. It is called on the key's turn only.
func (s State) encode() (data []byte, in *codec.Room, none bool, err error) {
	v := s.of
	if st, ok := v.(Stateful); ok {
		v = st.State()
		if is := reflect.TypeOf(v); is == nil || s.as == nil || is != s.as.t {
			return nil, nil, false, fmt.Errorf("the method State of a %T has returned a %T, and before that a %v", s.of, v, s.as.typ())
		}
		none = s.as.t.Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil()
	}
	data, in, err = codec.MarshalReply(codec.JSON, v)
	return data, in, none, err
}

// Now returns the sum of the state as it is now. It does not ask whether the state may be stored.
func (s State) Now() (Sum, error) {
	data, room, _, err := s.encode()
	if err != nil {
		return Sum{}, err
	}
	defer room.Free()
	return sumOf(data), nil
}

// After returns the sum of the state as it is now, and the state, if it has changed or is asked for. old is the sum that the
// state had before. Only a state that has changed must not be too large: the bound may be lower than that of the
// program that has stored it. A key without a state may begin with a nil pointer.
func (s State) After(old Sum, asked bool) (data []byte, is Sum, err error) {
	encoded, room, none, err := s.encode()
	if err != nil {
		return nil, old, err
	}
	defer room.Free()
	if is = sumOf(encoded); is == old && !asked {
		return nil, is, nil
	}
	if is != old && none {
		return nil, old, fmt.Errorf("the method State of a %T has returned a nil %v, which would be read as a state again: c.Delete removes a state", s.of, s.as.typ())
	}
	if is != old && len(encoded) > cmp.Or(s.MaxState, defaultMaxState) {
		return nil, old, fmt.Errorf("%w: a state of %d bytes, at most %d allowed", state.ErrTooLarge, len(encoded), cmp.Or(s.MaxState, defaultMaxState))
	}
	return append(make([]byte, 0, len(encoded)), encoded...), is, nil // never nil, which means a state that was deleted
}

// decode gives the actor a state of the current version.
func (s State) decode(data []byte) error {
	st, ok := s.of.(Stateful)
	if !ok {
		switch s.of.(type) {
		case proto.Message, json.Unmarshaler:
		default:
			unset(reflect.ValueOf(s.of).Elem())
		}
		return codec.UnmarshalInto(data, s.of)
	}
	of := s.as.typ()
	if of == nil {
		return fmt.Errorf("the method State of a %T has returned nil", s.of)
	}
	if of.Kind() == reflect.Pointer {
		p := reflect.New(of.Elem())
		if err := codec.UnmarshalInto(data, p.Interface()); err != nil {
			return err
		}
		return st.SetState(p.Interface())
	}
	p := reflect.New(of)
	if err := codec.UnmarshalInto(data, p.Interface()); err != nil {
		return err
	}
	return st.SetState(p.Elem().Interface())
}

// unset makes all fields zero that are stored as JSON: what a state has left out, because it
// was zero, must not be what a new entity has. Other fields stay as the entity was made.
func unset(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		v.SetZero()
		return
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Tag.Get("json") == "-":
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			unset(v.Field(i))
		case f.IsExported():
			v.Field(i).SetZero()
		}
	}
}

// Restore gives the actor what a record holds.
func (s State) Restore(r *state.Record) error {
	data := r.State
	switch {
	case r.Version > s.Version:
		return fmt.Errorf("the state has version %d, and this program knows versions up to %d", r.Version, s.Version)
	case r.Version < s.Version && s.Upgrade == nil:
		return fmt.Errorf("the state has version %d, and there is no Upgrade to %d", r.Version, s.Version)
	case r.Version < s.Version:
		var err error
		if data, err = s.Upgrade(r.Version, data); err != nil {
			return fmt.Errorf("the upgrade from version %d to %d: %w", r.Version, s.Version, err)
		}
	case r.Type != s.Encoding():
		return fmt.Errorf("the state is stored as %q, and the entity needs %q", r.Type, s.Encoding())
	}
	return s.decode(data)
}

// Sum tells states apart: 128 bits, so that no copy of the newest is kept at rest.
type Sum [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func sumOf(data []byte) Sum {
	return Sum{maphash.Bytes(seeds[0], data), maphash.Bytes(seeds[1], data)}
}
