// Codecs beside JSON and protobuf: known by name, to programs that link them

package codec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// JSON is the codec of messages that name none and are not protobuf messages.
const JSON = ""

// Codec encodes messages that are no protobuf messages.
type Codec struct {
	// Name is its name in an envelope: at most bounds.MaxCodecBytes.
	Name string
	// Lossy says which part of its values a type would lose on the way. It is asked once for a type, after
	// encoding/json has been found to lose nothing of it.
	Lossy func(reflect.Type) error
	// Marshal encodes a value, the same one always as the same bytes. It returns an [*Invalid] for one that would change.
	Marshal func(v any) ([]byte, error)
	// Unmarshal decodes data into what target points to, and keeps nothing of data. Its errors must not
	// show a part of data.
	Unmarshal func(data []byte, target any) error
	// Unknown names a field of data that the type of target does not have; "" for none.
	Unknown func(data []byte, target any) (field string, err error)

	faults sync.Map // reflect.Type -> *Invalid, nil for none
}

var codecs sync.Map // name -> *Codec

// Register makes a codec known. It is called once for a name, by an init func.
func Register(c *Codec) {
	taken := c.Name == JSON
	if !taken {
		_, taken = codecs.LoadOrStore(c.Name, c)
	}
	if taken {
		panic(fmt.Sprintf("codec %q is registered already", c.Name))
	}
}

// Known returns an error for the name of a codec that this program does not link.
func Known(name string) error {
	_, err := named(name)
	return err
}

// named finds a codec by its name, which is not JSON's.
func named(name string) (*Codec, error) {
	if c, ok := codecs.Load(name); ok {
		return c.(*Codec), nil
	}
	names := []string{"JSON (which has no name)"}
	codecs.Range(func(name, _ any) bool {
		names = append(names, fmt.Sprintf("%q", name))
		return true
	})
	slices.Sort(names[1:])
	return nil, fmt.Errorf("codec %.64q: the program that refuses it has %s; import the codec's package there", name, strings.Join(names, ", "))
}

// check refuses a type that would lose a part of itself.
func (c *Codec) check(t reflect.Type) error {
	known, ok := c.faults.Load(t)
	if !ok {
		var fault *Invalid
		if err := c.Lossy(t); err != nil {
			fault = &Invalid{Type: t, Reason: err}
		}
		known, _ = c.faults.LoadOrStore(t, fault)
	}
	if fault := known.(*Invalid); fault != nil {
		return fault
	}
	return nil
}

func marshalAs(name string, v any) ([]byte, error) {
	c, err := named(name)
	if err != nil {
		return nil, &Invalid{Type: reflect.TypeOf(v), Reason: err}
	}
	if err := c.check(reflect.TypeOf(v)); err != nil {
		return nil, err
	}
	return c.Marshal(v)
}

func unmarshalAs(name string, data []byte, target any) error {
	c, err := named(name)
	if err != nil {
		return err
	}
	if err := c.check(reflect.TypeOf(target).Elem()); err != nil {
		return err
	}
	return c.Unmarshal(data, target)
}

// CheckAs is [Check] for the types of messages that another codec than JSON encodes.
func CheckAs(as string, t reflect.Type) error {
	if err := Check(t); err != nil || as == JSON || isProto(t) {
		return err
	}
	c, err := named(as)
	if err != nil {
		return err
	}
	return c.check(t)
}

// ownCodec returns the codec that a message type chooses, or JSON. It asks a zero value of the type.
func ownCodec(t reflect.Type) (name string, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("the MessageCodec of a zero %v panics", t)
		}
	}()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if m, ok := reflect.New(t).Interface().(interface{ MessageCodec() string }); ok {
		return m.MessageCodec(), nil
	}
	return JSON, nil
}
