// Tables that fit a terminal

package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// leastColumn is the width below which no column shrinks.
const leastColumn = 8

// table is rows. The first is the heading.
type table struct {
	rows  [][]string
	paint func(column string, cell string) style // nil: nothing is painted
}

// print writes a table. If the terminal is too narrow, print leaves out columns without
// any value, and then breaks long cells within their columns, so that nothing is lost.
func (t terminal) print(w io.Writer, tab table) {
	rows := tab.shown(t.columns)
	widths := widthsOf(rows)
	for t.columns > 0 && total(widths) > t.columns {
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= leastColumn {
			break
		}
		widths[widest]--
	}
	for i, row := range rows {
		cells, height := make([][]string, len(row)), 0
		for j, cell := range row {
			cells[j] = fold(cell, widths[j], ",.-/")
			height = max(height, len(cells[j]))
		}
		for line := range height {
			var b strings.Builder
			pad := 0
			for j := range row {
				cell := ""
				if line < len(cells[j]) {
					cell = cells[j][line]
				}
				if strings.TrimSpace(cell) != "" {
					b.WriteString(strings.Repeat(" ", pad) + t.paint(tab.style(rows[0][j], i, row[j]), cell))
					pad = 0
				}
				pad += widths[j] - utf8.RuneCountInString(cell) + 2
			}
			fmt.Fprintln(w, b.String())
		}
	}
}

func (tab table) style(column string, row int, cell string) style {
	switch {
	case row == 0:
		return bold
	case tab.paint == nil:
		return plain
	}
	return tab.paint(column, cell)
}

// shown returns the rows as they are printed.
func (tab table) shown(columns int) [][]string {
	rows := make([][]string, len(tab.rows))
	for i, row := range tab.rows {
		for _, cell := range row {
			if cell = printable(cell); cell == "" {
				cell = "-"
			}
			rows[i] = append(rows[i], cell)
		}
	}
	if columns == 0 || total(widthsOf(rows)) <= columns {
		return rows
	}
	for column := len(rows[0]) - 1; column >= 0; column-- {
		empty := len(rows) > 1
		for _, row := range rows[1:] {
			empty = empty && strings.TrimSpace(row[column]) == "-"
		}
		for i := range rows {
			if empty {
				rows[i] = append(rows[i][:column], rows[i][column+1:]...)
			}
		}
	}
	return rows
}

func widthsOf(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func total(widths []int) (sum int) {
	for _, w := range widths {
		sum += w + 2
	}
	return sum - 2
}
