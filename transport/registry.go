package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// registry maps codes to errors and back. It is filled while programs
// initialise and read on failures only.
var registry = struct {
	sync.RWMutex
	byCode map[string]func(detail []byte) error
	codes  map[error]string
	types  map[reflect.Type]string
}{
	byCode: map[string]func([]byte) error{},
	codes:  map[error]string{},
	types:  map[reflect.Type]string{},
}

func init() {
	for _, b := range builtin {
		registry.byCode[b.code] = func([]byte) error { return b.err }
		registry.codes[b.err] = b.code
	}
	for _, code := range []string{codeApplication, codeInternal} {
		registry.byCode[code] = func([]byte) error { return nil }
	}
}

// RegisterError gives a sentinel of the application a code, by which errors.Is
// finds it on the caller's side of every transport. Register in both programs,
// while they initialise. It panics if the code is empty or taken, or if the
// sentinel is nil, not comparable or has another code.
func RegisterError(code string, sentinel error) {
	if sentinel == nil || !reflect.TypeOf(sentinel).Comparable() {
		panic(fmt.Sprintf("clstr: RegisterError(%q): the sentinel must be a comparable error, not %T", code, sentinel))
	}
	registry.Lock()
	defer registry.Unlock()
	if old, taken := registry.codes[sentinel]; taken {
		if old == code {
			return
		}
		panic(fmt.Sprintf("clstr: RegisterError(%q): the sentinel has the code %q", code, old))
	}
	claimCode(code)
	registry.byCode[code] = func([]byte) error { return sentinel }
	registry.codes[sentinel] = code
}

// RegisterErrorType gives an error type of the application a code. Its values
// travel as JSON, so that errors.As finds them with their fields on the
// caller's side. E may be a struct or a pointer to one. It panics if the code
// is empty or taken.
func RegisterErrorType[E error](code string) {
	registry.Lock()
	defer registry.Unlock()
	t := reflect.TypeFor[E]()
	if registry.types[t] == code && code != "" {
		return
	}
	claimCode(code)
	registry.types[t] = code
	registry.byCode[code] = func(detail []byte) error {
		var e E
		if json.Unmarshal(detail, &e) != nil || isNil(e) {
			return nil
		}
		return e
	}
}

// isNil reports whether err holds a nil pointer, on which methods may panic.
func isNil(err error) bool {
	v := reflect.ValueOf(err)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

func claimCode(code string) {
	if code == "" {
		panic("clstr: an error's code must not be empty")
	}
	if _, taken := registry.byCode[code]; taken {
		panic(fmt.Sprintf("clstr: the error code %q is taken", code))
	}
}

// codeOf finds the code of a registered error anywhere in err's tree.
func codeOf(err error) (string, bool) {
	code, _, ok := lookup(err)
	return code, ok
}

// lookup walks err's tree, outermost first, to the first registered error.
func lookup(err error) (code string, found error, ok bool) {
	registry.RLock()
	defer registry.RUnlock()
	return lookupLocked(err)
}

func lookupLocked(err error) (string, error, bool) {
	for err != nil {
		if reflect.ValueOf(err).Comparable() {
			if code, ok := registry.codes[err]; ok {
				return code, err, true
			}
		}
		if code, ok := registry.types[reflect.TypeOf(err)]; ok {
			return code, err, true
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			for _, e := range u.Unwrap() {
				if code, found, ok := lookupLocked(e); ok {
					return code, found, true
				}
			}
			return "", nil, false
		default:
			return "", nil, false
		}
	}
	return "", nil, false
}

// HandlerError makes what the caller sees of an error that a handler returned:
// its text, its code if it is registered, and always RanAndFailed, also where
// the handler passes on the refusal of a call of its own. It survives errors
// whose methods panic, as those of a nil pointer that has become an error do.
func HandlerError(err error) (e *Error) {
	defer func() {
		if recover() != nil {
			e = &Error{Code: codeApplication, Outcome: RanAndFailed, Message: fmt.Sprintf("an error of type %T whose methods panic", err)}
		}
	}()
	e = &Error{Code: codeApplication, Outcome: RanAndFailed, Message: err.Error()}
	code, found, ok := lookup(err)
	inner, isOurs := errors.AsType[*Error](err)
	if isOurs { // the handler passes on what a call of its own has failed with
		e.Cause, e.RetryAfter = inner.Cause, inner.RetryAfter
	}
	if !ok {
		if isOurs {
			e.Code, e.Detail, e.is = inner.Code, inner.Detail, inner.is
		}
		return e
	}
	e.Code = code
	if _, typed := registeredType(found); typed {
		if detail, jerr := json.Marshal(found); jerr == nil {
			e.Detail = detail
		}
	}
	e.is = resolve(e.Code, e.Detail)
	return e
}

func registeredType(err error) (string, bool) {
	registry.RLock()
	defer registry.RUnlock()
	code, ok := registry.types[reflect.TypeOf(err)]
	return code, ok
}

// Resolve makes an error of what came over the wire. A code that this process
// does not know keeps its text, code and outcome.
func Resolve(e *Error) *Error {
	e.is = resolve(e.Code, e.Detail)
	if e.Cause != nil {
		Resolve(e.Cause)
	}
	if e.Outcome == Succeeded || e.Outcome > RanAndFailed {
		e.Outcome = MaybeRan
	}
	return e
}

func resolve(code string, detail []byte) error {
	registry.RLock()
	make := registry.byCode[code]
	registry.RUnlock()
	if make == nil {
		return nil
	}
	return make(detail)
}
