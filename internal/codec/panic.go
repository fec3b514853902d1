// Panics of a message's own code

package codec

import (
	"fmt"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
)

// Panic is the error of a message whose own code has panicked while it was encoded,
// decoded or validated: it hurts this message only. The text holds neither value nor
// stack, because it travels to callers.
type Panic struct {
	What  string // "encoding", "decoding" or "validation"
	Value any
	Stack []byte
	where string
}

// Error implements error.
func (p *Panic) Error() string { return "its own " + p.What + " panicked" }

// Where says, for this process only, where the panic was, and why if the runtime says so. Any
// other panic value may be a part of the message, and is not shown.
func (p *Panic) Where() string {
	if err, ok := p.Value.(runtime.Error); ok {
		return fmt.Sprintf("in %s: %v", p.where, err)
	}
	return "in " + p.where
}

// caught is deferred around code of a message's.
func caught(what string, err *error) {
	if value := recover(); value != nil {
		*err = &Panic{what, value, debug.Stack(), panickedAt()}
	}
}

// panickedAt names the function that has panicked: the deepest below a panic of the
// runtime's, because encoding/json recovers and panics again.
func panickedAt() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	where, panics := "code that is not known", true
	for {
		f, more := frames.Next()
		if guards(f.Function) || !more {
			return where
		}
		if strings.HasPrefix(f.Function, "runtime.") {
			panics = true
		} else if panics {
			where, panics = fmt.Sprintf("%s (%s:%d)", f.Function, path.Base(f.File), f.Line), false
		}
	}
}

// guards reports whether a function of this package is one that defers caught.
func guards(function string) bool {
	_, name, _ := strings.Cut(function, "/internal/codec.")
	switch name {
	case "marshal", "unmarshalInto", "validate", "Unknown[...]":
		return true
	}
	return false
}
