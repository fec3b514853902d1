// Which parts of a handler's error travel: all registered errors in its tree, within bounds

package outcome

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/lossless"
)

const (
	maxLooks     = 1 << 10 // how many errors of a tree are looked at: it may lead back to itself
	maxCauseText = 1 << 10 // bytes of a cause's text, which most often is a part of the error's
)

// HandlerError makes the error that the caller sees from an error that a handler returned. It has
// that error's text, the code of the first registered error in its tree, and all further ones as
// causes. The outcome is always RanAndFailed, even if the handler passes on the refusal of a call
// of its own. The methods of an error may panic, for example those of a nil pointer.
func HandlerError(err error) *Error {
	return grow(err, RanAndFailed, bounds.MaxErrorNodes, bounds.MaxErrorDepth)
}

func grow(err error, o Outcome, nodes, depth int) *Error {
	g := grower{reg: registered.Load(), outcome: o, nodes: nodes, depth: depth, looks: maxLooks, bytes: bounds.MaxErrorBytes}
	e := &Error{Code: codeApplication, Outcome: o, Message: g.text(err, bounds.MaxErrorBytes/2)}
	for i, found := range g.find(err, 1) {
		if i == 0 {
			e.Code, e.Detail, e.is, e.Causes = found.Code, found.Detail, found.is, found.Causes
		} else {
			e.Causes = append(e.Causes, found)
		}
		if e.RetryAfter == 0 {
			e.RetryAfter = found.RetryAfter
		}
	}
	e.Cut = g.cut
	return e
}

// grower makes a tree of errors, within its bounds. The methods of the errors are an
// application's, and may panic.
type grower struct {
	reg     *registry
	outcome Outcome

	nodes, depth int // of the tree, at most
	looks, bytes int // that are left
	cut          bool
}

// find returns the registered errors in err's tree, and the errors of this library,
// outermost first. What is below one of them is among its causes.
func (g *grower) find(err error, depth int) (found []*Error) {
	for err != nil {
		if g.looks--; g.looks < 0 {
			g.cut = true
			return found
		}
		e, below := g.node(err, depth)
		if e != nil {
			return append(found, e)
		}
		if len(below) != 1 {
			for _, b := range below {
				found = append(found, g.find(b, depth)...)
			}
			return found
		}
		err = below[0]
	}
	return found
}

// node makes the node of one error, if it is one that travels, with its causes;
// otherwise it returns what is below it.
func (g *grower) node(err error, depth int) (e *Error, below []error) {
	ours, isOurs := err.(*Error)
	code, typed, ok := g.reg.code(err)
	if isOurs && ours != nil {
		code, ok = ours.Code, true
	}
	if !ok {
		return nil, unwrapped(err)
	}
	// The first becomes the outermost error, the others its causes: one deeper.
	if g.nodes == 0 || depth >= g.depth || len(code) > g.bytes {
		g.cut = true
		return nil, nil
	}
	g.nodes--
	g.bytes -= len(code)
	e = &Error{Code: code, Outcome: g.outcome}
	if isOurs {
		e.RetryAfter, e.Detail, below = ours.RetryAfter, g.spend(ours.Detail), ours.below()
		g.cut = g.cut || ours.Cut
	} else {
		below = unwrapped(err)
		if typed {
			e.Detail = g.detail(err)
		}
	}
	e.Message = g.text(err, maxCauseText)
	e.is = resolve(e.Code, e.Detail)
	if isOurs && ours.is != nil && !same(ours.is, e.is) {
		g.adopt(e, ours.is, depth)
	}
	if isOurs && ours.near != nil {
		below = append(below, ours.near)
	}
	for _, b := range below {
		e.Causes = append(e.Causes, g.find(b, depth+1)...)
	}
	return e, nil
}

// below returns the causes as errors.
func (e *Error) below() []error {
	var all []error
	for _, c := range e.Causes {
		all = append(all, c)
	}
	return all
}

// same compares errors, which may be of types that do not compare.
func same(a, b error) bool { return reflect.ValueOf(a).Comparable() && a == b }

// adopt gives e what is known of the error that its code stands for, which this
// process had at hand: a typed error, or one that wraps it.
func (g *grower) adopt(e *Error, is error, depth int) {
	found := g.find(is, depth)
	if len(found) > 0 && found[0].Code == e.Code {
		g.nodes++
		if first := found[0]; e.Detail == nil {
			e.Detail, e.is = first.Detail, first.is
		}
		found = slices.Concat(found[0].Causes, found[1:])
	}
	e.Causes = append(e.Causes, found...)
}

// unwrapped is what is below err.
func unwrapped(err error) (below []error) {
	defer func() {
		if recover() != nil {
			below = nil
		}
	}()
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		if b := u.Unwrap(); b != nil {
			return []error{b}
		}
	case interface{ Unwrap() []error }:
		return u.Unwrap()
	}
	return nil
}

// text is what err says, cut to most bytes.
func (g *grower) text(err error, most int) (text string) {
	func() {
		defer func() {
			if recover() != nil {
				text = fmt.Sprintf("an error of type %T whose methods panic", err)
			}
		}()
		text = err.Error()
	}()
	if most = min(most, g.bytes); len(text) > most {
		g.cut = true
		text = cutText(text, most)
	}
	g.bytes -= len(text)
	return text
}

// cutText keeps the beginning of s, whole characters in at most so many bytes.
func cutText(s string, most int) string {
	const more = "..."
	if most < len(more) {
		return ""
	}
	end := most - len(more)
	for end > 0 && most-end < len(more)+utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}

// detail encodes a typed error.
func (g *grower) detail(err error) (detail []byte) {
	defer func() {
		if recover() != nil {
			detail, g.cut = nil, true
		}
	}()
	detail, jerr := json.Marshal(err)
	if jerr != nil || lossless.Changed(err, detail) != "" { // half a truth is of no use
		g.cut = true
		return nil
	}
	return g.spend(detail)
}

// spend returns b if there is room for it: half of it is of no use.
func (g *grower) spend(b []byte) []byte {
	if len(b) > g.bytes {
		g.cut = true
		return nil
	}
	g.bytes -= len(b)
	return b
}
