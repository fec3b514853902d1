// What a command prints: text or JSON, and how it failed

package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// output is where a command says things: on standard output what it was asked for, and
// on standard error how far it is and what went wrong.
type output struct {
	out, err         io.Writer
	outTerm, errTerm terminal
	json             bool
}

// emit prints v as JSON, if that is asked for, or else as text does.
func (o *output) emit(v any, text func(w io.Writer)) error {
	if !o.json {
		text(o.out)
		return nil
	}
	enc := json.NewEncoder(o.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// fail tells what went wrong and returns the exit code.
func (o *output) fail(f *failure) int {
	if o.json {
		type told struct {
			Code     string `json:"code"`
			Message  string `json:"message"`
			Outcome  string `json:"outcome,omitempty"`
			Hint     string `json:"hint,omitempty"`
			ExitCode int    `json:"exit_code"`
		}
		enc := json.NewEncoder(o.err)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		_ = enc.Encode(map[string]told{"error": {f.code, f.msg, f.outcome, f.hint, f.exit}}) // nowhere to say that it failed
		return f.exit
	}
	o.errTerm.prose(o.err, red, "clstr: ", harmless(f.msg))
	if f.outcome != "" {
		o.errTerm.prose(o.err, plain, "", fmt.Sprintf("code: %s, outcome: %s", f.code, f.outcome))
	}
	if f.hint != "" {
		o.errTerm.prose(o.err, bold, "hint: ", harmless(f.hint))
	}
	return f.exit
}
