package codec

import "runtime/debug"

// Panic is the error of a message whose own code has panicked while it was encoded or
// decoded: it hurts this message only. The text holds neither value nor stack, because
// it travels to callers.
type Panic struct {
	What  string // "encoding" or "decoding"
	Value any
	Stack []byte
}

// Error implements error.
func (p *Panic) Error() string { return "its own " + p.What + " panicked" }

// caught is deferred around code of a message's.
func caught(what string, err *error) {
	if value := recover(); value != nil {
		*err = &Panic{what, value, debug.Stack()}
	}
}
