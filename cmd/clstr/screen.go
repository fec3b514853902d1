// The table of the demo, drawn in place

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clstr-go/clstr/cmd/clstr/internal/demo"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/internal/record"
)

// screen shows a demo: as a table that is redrawn in place on a terminal, as lines
// elsewhere, and as objects with --json.
type screen struct {
	w      io.Writer
	json   bool
	term   terminal
	every  time.Duration
	length time.Duration

	mu     sync.Mutex
	began  time.Time
	events []demo.Event
	lines  int       // drawn by the last frame
	before int       // requests that the last frame has counted
	last   time.Time // of the last frame
}

type frameJSON struct {
	AtMs      int64          `json:"at_ms"`
	Event     string         `json:"event,omitempty"`
	Node      string         `json:"node,omitempty"`
	Shards    *int           `json:"shards,omitempty"`
	TookMs    float64        `json:"took_ms,omitempty"`
	PauseMs   *float64       `json:"pause_ms,omitempty"`
	End       bool           `json:"end,omitempty"`
	Nodes     []demoNodeJSON `json:"nodes,omitempty"`
	Answered  *int           `json:"answered,omitempty"`
	Waiting   *int           `json:"waiting,omitempty"`
	Failed    map[string]int `json:"failed,omitempty"`
	LongestMs *float64       `json:"longest_ms,omitempty"`
}

type demoNodeJSON struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Shards int    `json:"shards"`
}

func newScreen(o *output, url string, length time.Duration) *screen {
	s := &screen{w: o.out, json: o.json, term: o.outTerm, every: time.Second, length: length, began: time.Now(), last: time.Now()}
	if s.json {
		s.term = terminal{}
		return s
	}
	if s.term.moves {
		s.every = 200 * time.Millisecond
	}
	s.term.prose(s.w, plain, "", fmt.Sprintf("A NATS server, nodes and callers run in this process for %v.\nFrom another terminal:  clstr nodes --server %s\n\n", length, url))
	return s
}

// newest returns the newest incarnation of each name.
func newest(c *view.Cluster) []demoNodeJSON {
	var nodes []demoNodeJSON
	for _, n := range c.Nodes {
		j := demoNodeJSON{n.Name, n.State, n.Owns}
		if last := len(nodes) - 1; last >= 0 && nodes[last].Name == n.Name {
			j.Shards += nodes[last].Shards // of one that has died a moment ago
			nodes[last] = j
			continue
		}
		nodes = append(nodes, j)
	}
	return nodes
}

// event takes an event of the show.
func (s *screen) event(e demo.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	switch {
	case s.json:
		f := frameJSON{AtMs: e.At.Milliseconds(), Event: e.What, Node: e.Node, TookMs: ms(e.Took)}
		if e.What == demo.Killed || e.What == demo.Drained {
			f.Shards = &e.Shards
		}
		if e.What == demo.Drained {
			f.PauseMs = new(ms(e.Pause))
		}
		s.encode(f)
	case !s.term.moves:
		fmt.Fprintln(s.w, line(e))
	}
}

func line(e demo.Event) string { return fmt.Sprintf("%5.1f s  %v", e.At.Seconds(), e) }

func (s *screen) encode(f frameJSON) { _ = json.NewEncoder(s.w).Encode(f) } // a reader that has gone misses it

// frame shows how things are.
func (s *screen) frame(c *view.Cluster, load *demo.Load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total, longest := load.Look()
	rate := float64(total.Answered-s.before) / max(time.Since(s.last).Seconds(), 0.001)
	s.before, s.last = total.Answered, time.Now()
	at, nodes := time.Since(s.began), newest(c)
	switch {
	case s.json:
		worst, waiting := ms(longest), total.Waiting()
		s.encode(frameJSON{AtMs: at.Milliseconds(), Nodes: nodes, Answered: &total.Answered, Waiting: &waiting, Failed: total.Failed, LongestMs: &worst})
	case !s.term.moves:
		fmt.Fprintln(s.w, status(at, nodes, total, rate, longest))
	default:
		s.draw(s.table(at, nodes, total, rate, longest))
	}
}

// status is one second as a line. It leaves out the state of active nodes.
func status(at time.Duration, nodes []demoNodeJSON, total demo.Count, rate float64, longest time.Duration) string {
	var owners []string
	for _, n := range nodes {
		text := fmt.Sprintf("%s %d", n.Name, n.Shards)
		switch {
		case n.State != record.Active && n.Shards == 0:
			text = n.Name + " " + n.State
		case n.State != record.Active:
			text += " " + n.State
		}
		owners = append(owners, text)
	}
	return fmt.Sprintf("%5.1f s  %s | %.0f/s, %d wait, %d failed, max %s", at.Seconds(), strings.Join(owners, ", "), rate, total.Waiting(), total.Fails(), took(longest))
}

// table is what a terminal shows.
func (s *screen) table(at time.Duration, nodes []demoNodeJSON, total demo.Count, rate float64, longest time.Duration) []string {
	wait := fmt.Sprintf("%d wait", total.Waiting())
	if total.Waiting() > demo.Rate/10 {
		wait = s.term.paint(yellow, wait)
	}
	lines := []string{
		fmt.Sprintf("%.1f s of %v   %d/s sent, %.0f/s answered, %s   longest %s", at.Seconds(), s.length, demo.Rate, rate, wait, took(longest)),
		"", s.term.paint(bold, "NODE  STATE    SHARDS"),
	}
	for _, n := range nodes {
		mark := "#"
		if n.State == record.Dead {
			mark = "x"
		}
		room := max(0, s.term.columns-24)
		color := paintState(n.State)
		lines = append(lines, fmt.Sprintf("%-4s  %s  %6d  %s", n.Name, s.term.paint(color, fmt.Sprintf("%-7s", n.State)), n.Shards,
			s.term.paint(color, strings.Repeat(mark, min(n.Shards, room)))))
	}
	lines = append(lines, "", s.told(total), "")
	room := len(s.events)
	if s.term.rows > 0 { // a frame that is higher than the terminal could not be redrawn
		room = max(1, s.term.rows-len(lines)-4)
	}
	for _, e := range s.events[max(0, len(s.events)-min(room, 8)):] {
		text := line(e)
		if e.What == demo.Killed {
			text = s.term.paint(red, text)
		}
		lines = append(lines, text)
	}
	return lines
}

func (s *screen) told(total demo.Count) string {
	failed := fmt.Sprintf("%d failed", total.Fails())
	if total.Fails() > 0 {
		failed = s.term.paint(red, failed)
	}
	text := fmt.Sprintf("%d requests answered, %s", total.Answered, failed)
	var by []string
	for _, outcome := range slices.Sorted(maps.Keys(total.Failed)) {
		by = append(by, fmt.Sprintf("%d %s", total.Failed[outcome], outcome))
	}
	if len(by) > 0 {
		text += " (" + strings.Join(by, ", ") + ")"
	}
	return text
}

// draw replaces the lines of the last frame.
func (s *screen) draw(lines []string) {
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for _, l := range lines {
		b.WriteString(cut(l, s.term.columns-1) + "\x1b[K\n") // a line that wraps would be two
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(s.w, b.String())
	s.lines = len(lines)
}

// cut shortens a line to what fits. Colors take no room, and end where the line ends.
func cut(line string, columns int) string {
	shown, in := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			in = true
		case in:
			in = r != 'm'
		case shown == columns:
			if strings.Contains(line[:i], "\x1b") {
				return line[:i] + "\x1b[0m"
			}
			return line[:i]
		default:
			shown++
		}
	}
	return line
}

// end prints the outcomes of all requests.
func (s *screen) end(total demo.Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.json {
		worst := ms(total.Longest)
		s.encode(frameJSON{AtMs: time.Since(s.began).Milliseconds(), End: true, Answered: &total.Answered, Failed: total.Failed, LongestMs: &worst})
		return
	}
	fmt.Fprintln(s.w)
	s.term.prose(s.w, plain, "", fmt.Sprintf("%s; longest wait %s", s.told(total), took(total.Longest)))
}
