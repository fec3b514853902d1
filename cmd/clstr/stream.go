// Lists of any length, printed as they come

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// stream prints rows and holds few of them: a table in pieces, or in JSON a list in an object.
type stream struct {
	*output
	heading []string
	pending [][]string
	n       int // rows
}

// member is a field of the object around the list. Empty texts and bytes are left out.
type member struct {
	name  string
	value any
}

// atOnce is how many rows of a table are laid out together.
const atOnce = 256

// stream begins a list. The cells of the heading are as wide as the columns usually are, so that the
// pieces of the table stand below each other.
func (o *output) stream(heading []string, list string, before ...member) *stream {
	s := &stream{output: o, heading: heading}
	if o.json {
		fmt.Fprint(o.out, "{")
		for _, m := range before {
			if v := encoded(m.value); string(v) != `""` && string(v) != "null" {
				fmt.Fprintf(o.out, "\n  %q: %s,", m.name, v)
			}
		}
		fmt.Fprintf(o.out, "\n  %q: [", list)
	}
	return s
}

func encoded(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // what is given here can be encoded
	return bytes.TrimSpace(b.Bytes())
}

// add prints a row, as v in JSON.
func (s *stream) add(v any, row []string) {
	s.n++
	switch {
	case !s.json:
		if s.pending = append(s.pending, row); len(s.pending) == atOnce {
			s.flush()
		}
	case s.n > 1:
		fmt.Fprintf(s.out, ",\n    %s", encoded(v))
	default:
		fmt.Fprintf(s.out, "\n    %s", encoded(v))
	}
}

func (s *stream) flush() {
	if len(s.pending) == 0 {
		return
	}
	var b bytes.Buffer
	s.outTerm.print(&b, table{rows: append([][]string{s.heading}, s.pending...)})
	text := b.Bytes()
	if s.n > atOnce { // one heading is enough
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	_, _ = s.out.Write(text) // there is nowhere to report an error
	s.pending = nil
}

// end ends the list.
func (s *stream) end(after ...member) {
	if !s.json {
		s.flush()
		return
	}
	if s.n > 0 {
		fmt.Fprint(s.out, "\n  ")
	}
	fmt.Fprint(s.out, "]")
	for _, m := range after {
		fmt.Fprintf(s.out, ",\n  %q: %s", m.name, encoded(m.value))
	}
	fmt.Fprint(s.out, "\n}\n")
}
