// What a command prints: text or JSON, and how it failed

package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// output is where a command prints: its result to standard output, and progress and
// errors to standard error.
type output struct {
	out, err         io.Writer
	outTerm, errTerm terminal
	json             bool
}

// emit prints v as JSON if --json is set. Otherwise it calls text.
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

// fail prints a failure and returns its exit code.
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
		_ = enc.Encode(map[string]told{"error": {f.code, f.msg, f.outcome, f.hint, f.exit}}) // there is nowhere to report an error
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
