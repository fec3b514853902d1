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
	"github.com/clstr-go/clstr/membership"
)

// screen shows a demo: a table that is drawn anew in place on a terminal, lines
// otherwise, objects with --json.
type screen struct {
	w      io.Writer
	json   bool
	width  int // of the terminal; 0 where there is none
	every  time.Duration
	length time.Duration
	url    string

	mu     sync.Mutex
	began  time.Time
	events []demo.Event
	lines  int       // drawn by the last frame
	before int       // requests that the last frame has told of
	last   time.Time // of the last frame
}

type frameJSON struct {
	AtMs      int64          `json:"at_ms"`
	Event     string         `json:"event,omitempty"`
	End       bool           `json:"end,omitempty"`
	Nodes     []demoNodeJSON `json:"nodes,omitempty"`
	Answered  *int           `json:"answered,omitempty"`
	Failed    map[string]int `json:"failed,omitempty"`
	LongestMs *float64       `json:"longest_ms,omitempty"`
}

type demoNodeJSON struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Shards int    `json:"shards"`
}

func (a *app) newScreen(url string, length time.Duration) *screen {
	s := &screen{w: a.out, json: a.json, width: width(a.out), every: time.Second, length: length, url: url, began: time.Now(), last: time.Now()}
	if s.json {
		s.width = 0
		return s
	}
	if s.width > 0 {
		s.every = 200 * time.Millisecond
	}
	fmt.Fprintf(s.w, "A NATS server, nodes and callers run in this process for %v. From another terminal:\n  clstr nodes --server %s\n\n", length, url)
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

// event is told by the show.
func (s *screen) event(e demo.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	switch {
	case s.json:
		s.encode(frameJSON{AtMs: e.At.Milliseconds(), Event: e.Text})
	case s.width == 0:
		fmt.Fprintln(s.w, line(e))
	}
}

func line(e demo.Event) string { return fmt.Sprintf("%5.1f s  %s", e.At.Seconds(), e.Text) }

func (s *screen) encode(f frameJSON) { _ = json.NewEncoder(s.w).Encode(f) } // who reads no more misses it

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
		worst := ms(longest)
		s.encode(frameJSON{AtMs: at.Milliseconds(), Nodes: nodes, Answered: &total.Answered, Failed: total.Failed, LongestMs: &worst})
	case s.width == 0:
		var owners []string
		for _, n := range nodes {
			owners = append(owners, fmt.Sprintf("%s %s %d", n.Name, n.State, n.Shards))
		}
		fmt.Fprintf(s.w, "%5.1f s  %s | %.0f/s, %d failed, longest wait %s\n", at.Seconds(), strings.Join(owners, ", "), rate, total.Fails(), took(longest))
	default:
		s.draw(s.table(at, nodes, total, rate, longest))
	}
}

// table is what a terminal shows.
func (s *screen) table(at time.Duration, nodes []demoNodeJSON, total demo.Count, rate float64, longest time.Duration) []string {
	lines := []string{fmt.Sprintf("%.1f s of %v   %d shards   %.0f requests/s   longest wait %s", at.Seconds(), s.length, demo.NumShards, rate, took(longest)),
		"", "NODE  STATE    SHARDS"}
	for _, n := range nodes {
		mark := strings.Repeat("#", n.Shards)
		if n.State == membership.Dead {
			mark = strings.Repeat("x", n.Shards)
		}
		lines = append(lines, fmt.Sprintf("%-4s  %-7s  %6d  %s", n.Name, n.State, n.Shards, mark))
	}
	lines = append(lines, "", told(total), "")
	for _, e := range s.events[max(0, len(s.events)-8):] {
		lines = append(lines, line(e))
	}
	return lines
}

func told(total demo.Count) string {
	text := fmt.Sprintf("%d requests answered, %d failed", total.Answered, total.Fails())
	var by []string
	for _, outcome := range slices.Sorted(maps.Keys(total.Failed)) {
		by = append(by, fmt.Sprintf("%d %s", total.Failed[outcome], outcome))
	}
	if len(by) > 0 {
		text += " (" + strings.Join(by, ", ") + ")"
	}
	return text
}

// draw puts lines in the place of those of the last frame.
func (s *screen) draw(lines []string) {
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for _, l := range lines {
		if len(l) >= s.width { // a line that wraps would be two
			l = l[:s.width-1]
		}
		b.WriteString(l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(s.w, b.String())
	s.lines = len(lines)
}

// end says what has become of all requests.
func (s *screen) end(total demo.Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.json {
		worst := ms(total.Longest)
		s.encode(frameJSON{AtMs: time.Since(s.began).Milliseconds(), End: true, Answered: &total.Answered, Failed: total.Failed, LongestMs: &worst})
		return
	}
	fmt.Fprintf(s.w, "\n%s; longest wait %s\n", told(total), took(total.Longest))
}
