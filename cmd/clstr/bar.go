// How far a drain is, as a bar

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// bar shows the progress of a drain. It is redrawn in place on a terminal whose cursor
// can be moved. Otherwise it prints a line at each tenth. With --json it prints
// nothing.
type bar struct {
	w     io.Writer // nil: nothing is shown
	term  terminal
	label string
	began time.Time
	now   func() time.Time
	tenth int
	drawn bool
}

func newBar(o *output, now func() time.Time, label string) *bar {
	b := &bar{w: o.err, term: o.errTerm, label: label, began: now(), now: now, tenth: -1}
	if o.json {
		b.w = nil
	}
	return b
}

func (b *bar) show(done, of int) {
	if b.w == nil {
		return
	}
	if !b.term.moves {
		if tenth := 10 * done / max(of, 1); tenth > b.tenth {
			b.tenth = tenth
			fmt.Fprintf(b.w, "%s: %d of %d shards\n", b.label, done, of)
		}
		return
	}
	b.drawn = true
	fmt.Fprint(b.w, "\r\x1b[K", b.line(done, of))
}

// line returns a line that fits into the terminal.
func (b *bar) line(done, of int) string {
	end := fmt.Sprintf(" %d/%d shards  %.1f s", done, of, b.now().Sub(b.began).Seconds())
	room := min(40, b.term.columns-len(b.label)-len(end)-4)
	if room < 5 {
		return fold(b.label+end, b.term.columns-1, "")[0] // a line that wraps is not drawn over
	}
	full := room
	if of > 0 {
		full = room * done / of
	}
	return b.label + " [" + b.term.paint(green, strings.Repeat("#", full)) + strings.Repeat(".", room-full) + "]" + end
}

func (b *bar) end() {
	if b.drawn {
		fmt.Fprintln(b.w)
	}
}
