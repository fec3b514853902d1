// What of an actor is stored: its encoding, and its upgrades

package host

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

// Persistence is what actor.Persistence is made of. Its fields are described there.
type Persistence struct {
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
func (p *Persistence) Validate(of string) {
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

// window is Window, or less: what a record knows goes with the record.
func (p *Persistence) window() time.Duration {
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
	Durable() (of any, p *Persistence)
}

// stored is what an incarnation stores. The zero value stores nothing. It is made anew for each use,
// because an idle key should not hold it.
type stored struct {
	of any
	*Persistence
	as reflect.Type // of the state, if of is a Stateful
}

// storedBy returns what is stored of the actor of an active durable key.
func storedBy(s *shell, o *outlet) stored {
	is, _ := storedOf(&s.shard.host.opts, s.inner) // without an error: load has looked
	is.as = o.as
	return is
}

// storedOf returns what is stored of an actor that begins.
func storedOf(o *Options, a Actor) (stored, error) {
	if d, ok := a.(Durable); ok {
		of, p := d.Durable()
		switch {
		case p != nil:
			return stored{of: of, Persistence: p}, nil
		case o.Persist != nil:
			return stored{}, fmt.Errorf("a %T is durable by an option of its definition, not of its handler", of)
		}
		return stored{}, nil
	}
	if o.Persist == nil {
		return stored{}, nil
	}
	s, ok := a.(Stateful)
	if !ok {
		return stored{}, fmt.Errorf("a %T cannot be durable: it has no methods State() any and SetState(any) error", a)
	}
	return stored{of: s, Persistence: o.Persist}, nil
}

// encode returns the state, and whether it is a nil pointer. It is called on the key's turn only.
func (s stored) encode() (data []byte, none bool, err error) {
	v := s.of
	if st, ok := v.(Stateful); ok {
		v = st.State()
		if is := reflect.TypeOf(v); is == nil || is != s.as {
			return nil, false, fmt.Errorf("the method State of a %T has returned a %T, and before that a %v", s.of, v, s.as)
		}
		none = s.as.Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil()
	}
	data, err = codec.Marshal(v)
	return data, none, err
}

// after returns the state as it is now, and its sum, for one whose sum was old. Only a state that has
// changed must not be too large: the bound may be lower than that of the program that has stored it. A
// key without a state may begin with a nil pointer.
func (s stored) after(old sum) (data []byte, is sum, err error) {
	data, none, err := s.encode()
	if err != nil {
		return nil, old, err
	}
	if is = sumOf(data); is != old && none {
		return nil, old, fmt.Errorf("the method State of a %T has returned a nil %v, which would be read as a state again: c.Delete removes a state", s.of, s.as)
	}
	if is != old && len(data) > cmp.Or(s.MaxState, defaultMaxState) {
		return nil, old, fmt.Errorf("%w: a state of %d bytes, at most %d allowed", state.ErrTooLarge, len(data), cmp.Or(s.MaxState, defaultMaxState))
	}
	return data, is, nil
}

// looks asks a Stateful for the type of its state, and reports whether the state is encoded as protobuf.
func (s *stored) looks() (protobuf bool) {
	v := s.of
	if st, ok := v.(Stateful); ok {
		v = st.State()
		s.as = reflect.TypeOf(v)
	}
	_, protobuf = v.(proto.Message)
	return protobuf
}

// decode gives the actor a state of the current version.
func (s stored) decode(data []byte) error {
	st, ok := s.of.(Stateful)
	if !ok {
		switch s.of.(type) {
		case proto.Message, json.Unmarshaler:
		default:
			unset(reflect.ValueOf(s.of).Elem())
		}
		return codec.UnmarshalInto(data, s.of)
	}
	of := s.as
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

// encodingOf is what a record calls the encoding of a state.
func encodingOf(protobuf bool) string {
	if protobuf {
		return "protobuf"
	}
	return "json"
}

// restore gives the actor what a record holds.
func (s stored) restore(r *state.Record, encoding string) error {
	data := r.State
	switch {
	case r.Version > s.Version:
		return fmt.Errorf("the state has version %d, and this program knows versions up to %d", r.Version, s.Version)
	case r.Version < s.Version && s.Upgrade == nil:
		return fmt.Errorf("the state has version %d, and there is no Upgrade to %d", r.Version, s.Version)
	case r.Version < s.Version:
		var err error
		if data, err = s.Upgrade(r.Version, data); err != nil {
			return fmt.Errorf("the upgrade from version %d to %d: %w", r.Version, s.Version, legible(err))
		}
	case r.Type != encoding:
		return fmt.Errorf("the state is stored as %q, and the entity needs %q", r.Type, encoding)
	}
	return s.decode(data)
}

// sum tells states apart: 128 bits, so that no copy of the newest is kept at rest.
type sum [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func sumOf(data []byte) sum {
	return sum{maphash.Bytes(seeds[0], data), maphash.Bytes(seeds[1], data)}
}
