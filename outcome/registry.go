// Codes to errors and back: RegisterError, RegisterErrorType

package outcome

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/lossless"
)

// registry maps codes to errors and back. What is published of it never changes:
// a registration publishes a copy, so that a look-up takes no lock, and the methods
// of an application's errors run under none.
type registry struct {
	byCode map[string]func(detail []byte) error
	codes  map[error]string
	types  map[reflect.Type]string
}

var (
	registering sync.Mutex
	registered  atomic.Pointer[registry]
)

func init() {
	r := &registry{map[string]func([]byte) error{}, map[error]string{}, map[reflect.Type]string{}}
	for _, b := range builtin {
		r.byCode[b.code] = func([]byte) error { return b.err }
		r.codes[b.err] = b.code
	}
	for _, code := range []string{codeApplication, codeInternal} {
		r.byCode[code] = func([]byte) error { return nil }
	}
	registered.Store(r)
}

// register publishes what change makes of the registry, if that does not panic.
func register(change func(r *registry)) {
	registering.Lock()
	defer registering.Unlock()
	old := registered.Load()
	r := &registry{maps.Clone(old.byCode), maps.Clone(old.codes), maps.Clone(old.types)}
	change(r)
	registered.Store(r)
}

// RegisterError gives a sentinel of the application a code, by which errors.Is
// finds it on the caller's side of every transport. Register in both programs,
// while they initialise. It panics if the code is empty or taken, or if the
// sentinel is nil, not comparable or has another code.
func RegisterError(code string, sentinel error) {
	if sentinel == nil || !reflect.TypeOf(sentinel).Comparable() {
		panic(fmt.Sprintf("clstr: RegisterError(%q): the sentinel must be a comparable error, not %T", code, sentinel))
	}
	register(func(r *registry) {
		if old, taken := r.codes[sentinel]; taken {
			if old == code {
				return
			}
			panic(fmt.Sprintf("clstr: RegisterError(%q): the sentinel has the code %q", code, old))
		}
		r.claim(code)
		r.byCode[code] = func([]byte) error { return sentinel }
		r.codes[sentinel] = code
	})
}

// RegisterErrorType gives an error type of the application a code. Its values
// travel as JSON, so that errors.As finds them with their fields on the
// caller's side. E may be a struct or a pointer to one. It panics if the code
// is empty or taken, and if a part of an E would be lost on the way.
func RegisterErrorType[E error](code string) {
	register(func(r *registry) {
		t := reflect.TypeFor[E]()
		if r.types[t] == code && code != "" {
			return
		}
		r.claim(code)
		if fault := lossless.CheckError(t).Fault; fault != nil {
			panic(fmt.Sprintf("clstr: RegisterErrorType(%q): a %v cannot travel: %v", code, t, fault))
		}
		r.types[t] = code
		r.byCode[code] = func(detail []byte) error {
			var e E
			if json.Unmarshal(detail, &e) != nil || isNil(e) {
				return nil
			}
			return e
		}
	})
}

// isNil reports whether err holds a nil pointer, on which methods may panic.
func isNil(err error) bool {
	v := reflect.ValueOf(err)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

func (r *registry) claim(code string) {
	if code == "" {
		panic("clstr: an error's code must not be empty")
	}
	if _, taken := r.byCode[code]; taken {
		panic(fmt.Sprintf("clstr: the error code %q is taken", code))
	}
}

// code returns the code of err itself, whatever it wraps. typed is whether that is
// its type's.
func (r *registry) code(err error) (code string, typed, ok bool) {
	if reflect.ValueOf(err).Comparable() {
		if code, ok = r.codes[err]; ok {
			return code, false, true
		}
	}
	code, ok = r.types[reflect.TypeOf(err)]
	return code, true, ok && !isNil(err)
}

// Resolve makes an error of what came over the wire. A code that this process does not know
// keeps its text, code and outcome. It decodes the application's errors, so call it where
// only the error's receiver waits.
func Resolve(e *Error) *Error {
	e.is = resolve(e.Code, e.Detail)
	for _, cause := range e.Causes {
		Resolve(cause)
	}
	if e.Outcome == Succeeded || e.Outcome > RanAndFailed {
		e.Outcome = MaybeRan
	}
	return e
}

// resolve returns nil for a code that is unknown, and for a typed error that does not
// decode or panics at it.
func resolve(code string, detail []byte) (err error) {
	make := registered.Load().byCode[code]
	if make == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			err = nil
		}
	}()
	return make(detail)
}
