package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// bar shows how far something is: redrawn in place on a terminal, a line at each
// tenth otherwise, nothing with --json.
type bar struct {
	w     io.Writer // nil: nothing is shown
	label string
	width int // of the terminal; 0 where there is none
	began time.Time
	now   func() time.Time
	tenth int
	drawn bool
}

func (a *app) newBar(label string) *bar {
	b := &bar{w: a.err, label: label, width: width(a.err), began: a.now(), now: a.now, tenth: -1}
	if a.json {
		b.w = nil
	}
	return b
}

// width is that of a terminal; 0 for anything else.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		return 80
	}
	return columns
}

func (b *bar) show(done, of int) {
	if b.w == nil {
		return
	}
	if b.width == 0 {
		if tenth := 10 * done / max(of, 1); tenth > b.tenth {
			b.tenth = tenth
			fmt.Fprintf(b.w, "%s: %d of %d shards\n", b.label, done, of)
		}
		return
	}
	b.drawn = true
	fmt.Fprint(b.w, "\r\x1b[K", b.line(done, of))
}

// line fits into the terminal.
func (b *bar) line(done, of int) string {
	end := fmt.Sprintf(" %d/%d shards  %.1f s", done, of, b.now().Sub(b.began).Seconds())
	room := min(40, b.width-len(b.label)-len(end)-4)
	if room < 5 {
		return b.label + end
	}
	full := room
	if of > 0 {
		full = room * done / of
	}
	return b.label + " [" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]" + end
}

func (b *bar) end() {
	if b.drawn {
		fmt.Fprintln(b.w)
	}
}
