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

// terminal describes where output goes. It is zero for a file or a pipe, which gets
// lines of any length and no colors.
type terminal struct {
	columns, rows int
	moves         bool // its cursor can be moved: what was drawn may be drawn anew
	colors        bool
}

// terminalOf respects NO_COLOR (no-color.org), and TERM=dumb, which has neither colors
// nor a cursor that moves.
func terminalOf(w io.Writer, getenv func(string) string) terminal {
	if !isTerminal(w) {
		return terminal{}
	}
	f := w.(*os.File)
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

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// style is the escape code before a text.
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

// prose writes a text, broken at spaces at the terminal's edge. The first line begins
// with a label, and the other lines stand below the text.
func (t terminal) prose(w io.Writer, s style, label, text string) {
	for paragraph := range strings.Lines(text) {
		for _, line := range fold(strings.TrimSuffix(paragraph, "\n"), t.columns-len(label), "") {
			fmt.Fprintln(w, strings.TrimRight(t.paint(s, label)+line, " "))
			label, s = strings.Repeat(" ", len(label)), plain
		}
	}
}

// fold breaks a text into lines of at most so many columns: at a space, behind one of
// the marks, or, if there is neither, anywhere. It breaks nothing if columns is not
// positive.
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

// printable returns a text from outside as it is, if it can be shown. A text that would
// move the cursor, or would be invisible, is quoted.
func printable(text string) string {
	for _, r := range text {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return strconv.Quote(text)
		}
	}
	return text
}

// harmless returns a message that may quote a text from outside. It keeps line breaks,
// and escapes what a terminal would act on.
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
