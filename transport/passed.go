package transport

import "errors"

// passes notes that the handler passes a call on.
func (t *funcTask) passes() {
	if !t.r.passes.Load() {
		t.r.passes.Store(true)
	}
}

// passedOn notes what became of the call where its handler has passed it on: err
// is nil when a notification was accepted, or a request answered.
func (t *funcTask) passedOn(err error) {
	c := t.c
	c.mu.Lock()
	switch o := OutcomeOf(err); {
	case o.NeverRan():
		t.refused, _ = errors.AsType[*Error](err)
	case o == MaybeRan:
		t.unknown = true
	default:
		t.ran = true
	}
	c.mu.Unlock()
	if err == nil && !c.AwaitsReply() {
		t.moveOn()
		c.accepted()
	}
}

// failed makes the error of a handler that has returned one. What is known of
// the call where it was passed on goes before that this handler has ended: it
// may be running there still, or was refused by it.
func (t *funcTask) failed(err error) *Error {
	e := HandlerError(err)
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	switch {
	case t.unknown:
		e.Outcome = MaybeRan
	case t.refused != nil && !t.ran && isThis(err, t.refused):
		e.Outcome = NotStarted
	}
	return e
}

// isThis reports whether err passes e on. The methods of err may panic.
func isThis(err error, e *Error) (same bool) {
	defer func() { _ = recover() }()
	found, _ := errors.AsType[*Error](err)
	return found == e
}
