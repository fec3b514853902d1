// Where output goes: its width, its colors, lines that fold

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// terminal is where output goes. It is zero for a file or a pipe: there a line is as
// long as it is, and has no color.
type terminal struct {
	columns, rows int
	moves         bool // its cursor can be moved: what was drawn may be drawn anew
	colors        bool
}

// terminalOf respects TERM=dumb, which can do neither, and NO_COLOR (no-color.org).
func terminalOf(w io.Writer, getenv func(string) string) terminal {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return terminal{}
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		columns, rows = 80, 24
	}
	return makeTerminal(columns, rows, getenv)
}

func makeTerminal(columns, rows int, getenv func(string) string) terminal {
	able := getenv("TERM") != "dumb"
	return terminal{columns: columns, rows: rows, moves: able, colors: able && getenv("NO_COLOR") == ""}
}

// style is what the terminal is told before a text.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

func (t terminal) paint(s style, text string) string {
	if !t.colors || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// prose writes a text, broken at spaces where the terminal ends. The first line
// begins with a label, and the others below its text.
func (t terminal) prose(w io.Writer, s style, label, text string) {
	for paragraph := range strings.Lines(text) {
		for _, line := range fold(strings.TrimSuffix(paragraph, "\n"), t.columns-len(label), "") {
			fmt.Fprintln(w, strings.TrimRight(t.paint(s, label)+line, " "))
			label, s = strings.Repeat(" ", len(label)), plain
		}
	}
}

// fold breaks a text into lines of so many columns: at spaces, behind one of the
// marks, or, where there is neither, in the middle. It breaks nothing where columns
// is not positive.
func fold(text string, columns int, marks string) (lines []string) {
	rest := []rune(text)
	for columns > 0 && len(rest) > columns {
		end, next := columns, columns
		for i := columns; i > 0; i-- {
			if rest[i] == ' ' {
				end, next = i, i+1
				break
			}
			if strings.ContainsRune(marks, rest[i-1]) {
				end, next = i, i
				break
			}
		}
		lines = append(lines, string(rest[:end]))
		rest = rest[next:]
	}
	return append(lines, string(rest))
}

// printable shows a text of somebody else's as it is, if it can be shown: what would
// move the cursor, or hide, is quoted.
func printable(text string) string {
	for _, r := range text {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return strconv.Quote(text)
		}
	}
	return text
}

// harmless is a message that may quote somebody else: its lines stay, and what would
// do something to a terminal is escaped.
func harmless(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
	}
	return b.String()
}
