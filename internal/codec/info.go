// What is known about a type after the first look: its name, why it cannot travel, whether it validates

package codec

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/lossless"
	"github.com/clstr-go/clstr/internal/plain"
)

// info is what is known of a type after its first look.
type info struct {
	name      string   // "" if it has none
	fault     *Invalid // why its values cannot travel; nil if they can
	addressed bool     // its pointer encodes what it would not: it is a protobuf message, or part of it has a MarshalJSON
	validates who
	codec     string      // that its values choose, JSON for none
	plain     *plain.Type // nil if its values are always encoded
	mute      bool        // no code of its own says its name or validates it
	careful   bool        // see [KeepsNothing]
}

// who says which has a Validate method: the type, only its pointer, or neither.
type who uint8

const (
	no who = iota
	theValue
	itsPointer
)

// Invalid is the error of a message that must not be sent.
type Invalid struct {
	Type   reflect.Type
	Reason error
	Own    bool // its Validate method says so
}

// Error implements error.
func (e *Invalid) Error() string {
	if e.Own {
		return fmt.Sprintf("%v: %v", e.Type, e.Reason)
	}
	return fmt.Sprintf("a %v cannot travel: %v", e.Type, e.Reason)
}

// Unwrap returns the reason.
func (e *Invalid) Unwrap() error { return e.Reason }

// infos holds one entry a type.
var infos sync.Map // reflect.Type -> *infoFor

// lately are entries of infos, each in the one place that its type may have. A request asks for three types, and a
// look here takes a fifth of the time.
var lately [1 << 9]atomic.Pointer[infoFor]

type infoFor struct {
	t reflect.Type
	info
}

func infoOf(t reflect.Type) *info {
	place := &lately[reflect.ValueOf(t).Pointer()>>5%uintptr(len(lately))]
	if i := place.Load(); i != nil && i.t == t {
		return &i.info
	}
	known, ok := infos.Load(t)
	if !ok {
		known, _ = infos.LoadOrStore(t, &infoFor{t, *look(t)})
	}
	i := known.(*infoFor)
	place.Store(i)
	return &i.info
}

// Check returns an [*Invalid] for a type whose values would lose a part of themselves
// on their way, and be another message at the other end.
func Check(t reflect.Type) error {
	if i := infoOf(t); i.fault != nil {
		return i.fault
	}
	return nil
}

// look is the first look at a type.
func look(t reflect.Type) *info {
	i := &info{}
	if t.Kind() == reflect.Pointer && t.Name() != "" { // its values are made as *T, which is another type
		i.fault = &Invalid{Type: t, Reason: fmt.Errorf("it is a pointer type with a name of its own: use %v", reflect.PointerTo(t.Elem()))}
		return i
	}
	if err := borrows(t); err != nil {
		i.fault = &Invalid{Type: t, Reason: err}
		return i
	}
	i.name = reflectName(t)
	_, asIs := reflect.Zero(t).Interface().(proto.Message)
	isProto := isProto(t)
	if isProto {
		i.addressed = !asIs
	} else {
		verdict := lossless.Check(t)
		if verdict.Fault != nil {
			i.fault = &Invalid{Type: t, Reason: verdict.Fault}
		}
		i.addressed = verdict.Addressed && t.Kind() != reflect.Pointer
	}
	if t.Implements(validator) {
		i.validates = theValue
	} else if reflect.PointerTo(t).Implements(validator) {
		i.validates = itsPointer
	}
	i.mute = i.name != "" && i.validates == no && !t.Implements(namer)
	if own, err := ownCodec(t); err != nil {
		i.fault = &Invalid{Type: t, Reason: err}
	} else if !isProto {
		i.codec = own
	}
	if i.fault == nil {
		as := plainOf(t, isProto, i.name)
		i.careful = as != nil && keepsNothing(t, isProto)
		if i.codec == JSON {
			i.plain = as
		}
	}
	return i
}

// isProto reports whether a type, or its pointer, is a protobuf message.
func isProto(t reflect.Type) bool {
	return t.Kind() != reflect.Interface && t.Implements(protoMessage) || reflect.PointerTo(t).Implements(protoMessage)
}

var protoMessage = reflect.TypeFor[proto.Message]()

var namer = reflect.TypeFor[Namer]()

// borrowed are the methods that say what a message is.
var borrowed = []struct {
	method, way string
	of          func(reflect.Type) (reflect.Method, bool)
}{
	{"MessageType", "give the field a name, or the message a MessageType of its own",
		func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MessageType") }},
	{"ProtoReflect", "give the field a name, or send the protobuf message itself",
		func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("ProtoReflect") }},
}

// borrows finds the embedded message that a message would be taken for.
func borrows(t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, b := range borrowed {
		if f, ok := lossless.Promoted(t, b.of); ok {
			return fmt.Errorf("field %s embeds %v, whose %s it has, and so it would arrive as one of those: %s", f.Name, f.Type, b.method, b.way)
		}
	}
	return nil
}

var validator = reflect.TypeFor[interface{ Validate() error }]()

// validate asks the message itself.
func validate(v any, i *info) (err error) {
	defer caught("validation", &err)
	t := reflect.TypeOf(v)
	if i.validates == itsPointer {
		v = pointerTo(v)
	}
	if reason := v.(interface{ Validate() error }).Validate(); reason != nil {
		return &Invalid{Type: t, Reason: reason, Own: true}
	}
	return nil
}
