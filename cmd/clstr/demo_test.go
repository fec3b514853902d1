package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cmd/clstr/internal/demo"
	"github.com/clstr-go/clstr/internal/record"
)

// TestDemo: it ends by itself, and says what has happened. A busy machine needs longer to show it.
func TestDemo(t *testing.T) {
	length := leastShow
	for !showsAll(t, length) {
		if length *= 2; length > 20*leastShow {
			t.Fatalf("it has not shown two frames and an event in %v", length/2)
		}
	}
	if r := command(t, nil, nil, "demo", "--for", "1s"); r.exit != exitUsage {
		t.Errorf("--for 1s: exit code %d, %s%s", r.exit, r.out, r.err)
	}
}

// showsAll runs the demo, and reports whether there was time for two frames, an event and an answer.
func showsAll(t *testing.T, length time.Duration) bool {
	t.Helper()
	r := command(t, nil, nil, "demo", "--for", length.String(), "--json")
	if r.exit != 0 {
		t.Fatalf("exit code %d: %s", r.exit, r.err)
	}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	var events []frameJSON
	frames := 0
	for _, line := range lines {
		f := decode[frameJSON](t, line)
		if f.Event != "" {
			events = append(events, f)
		}
		if len(f.Nodes) > 0 {
			frames++
		}
	}
	last := decode[frameJSON](t, lines[len(lines)-1])
	if !last.End || last.Answered == nil || len(events) > 0 && (events[0].Event != demo.Joins || events[0].Node != "d") {
		t.Fatalf("%d frames, events %+v, at last %+v", frames, events, last)
	}
	return frames >= 2 && len(events) > 0 && *last.Answered > 0
}

// TestDemoInterrupted: Ctrl-C ends it, in order.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var errs bytes.Buffer
	out := writer(func(b []byte) {
		if json.Valid(b) { // the first frame
			cancel()
		}
	})
	a := newApp(strings.NewReader(""), out, &errs, func(string) string { return "" })
	if exit := a.run(ctx, []string{"demo", "--json", "--for", "10m"}); exit != 0 {
		t.Errorf("exit code %d: %s", exit, errs.String())
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// TestScreenRedraws: in place, without a line that wraps.
func TestScreenRedraws(t *testing.T) {
	var out bytes.Buffer
	s := &screen{w: &out, term: terminal{columns: 40, rows: 24, moves: true}, length: 30 * time.Second}
	s.events = []demo.Event{{At: 2 * time.Second, What: demo.Killed, Node: "b", Shards: 15}}
	nodes := []demoNodeJSON{{"a", record.Active, 30}, {"b", record.Dead, 3}}
	total := demo.Count{Sent: 1250, Answered: 1234, Failed: map[string]int{"maybe ran": 2, "not started": 1}}
	want := "3.0 s of 30s   1600/s sent, 412/s answe\x1b[K\n\x1b[K\n" +
		"NODE  STATE    SHARDS\x1b[K\n" +
		"a     active       30  ################\x1b[K\n" +
		"b     dead          3  xxx\x1b[K\n\x1b[K\n" +
		"1234 requests answered, 3 failed (2 may\x1b[K\n\x1b[K\n" +
		"  2.0 s  b is killed without a word: re\x1b[K\n\x1b[J"
	for i, before := range []string{"", "\x1b[9A"} {
		out.Reset()
		s.draw(s.table(3*time.Second, nodes, total, 412, time.Millisecond))
		if got := strings.ReplaceAll(out.String(), before+want, "drawn"); got != "drawn" {
			t.Errorf("frame %d:\n%q\nwant\n%q", i, out.String(), before+want)
		}
	}
}

// TestBar: it fits into the terminal, and without one each tenth is a line.
func TestBar(t *testing.T) {
	now := time.Unix(100, 0)
	b := &bar{label: "draining a.3f9c2a1b", began: now.Add(-1500 * time.Millisecond), now: func() time.Time { return now }}
	for columns, want := range map[int]string{
		80: "draining a.3f9c2a1b [##################...................] 12/24 shards  1.5 s",
		60: "draining a.3f9c2a1b [########.........] 12/24 shards  1.5 s",
		40: "draining a.3f9c2a1b 12/24 shards  1.5 s",
		24: "draining a.3f9c2a1b",
	} {
		b.term.columns = columns
		if got := b.line(12, 24); got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
	var out bytes.Buffer
	b.w, b.term, b.tenth = &out, terminal{}, -1
	for done := range 41 {
		b.show(done, 40)
	}
	b.end()
	if got := strings.Count(out.String(), "\n"); got != 11 || !strings.HasSuffix(out.String(), ": 40 of 40 shards\n") {
		t.Errorf("%d lines:\n%s", got, out.String())
	}
	b.w = nil
	b.show(1, 1)
}

// TestText: what tables are made of.
func TestText(t *testing.T) {
	if got := ranges([]uint32{0, 1, 2, 5, 7, 8, 10}); got != "0-2,5,7-8,10" {
		t.Error(got)
	}
	all := make([]time.Duration, 200)
	for i := range all {
		all[i] = time.Duration(200-i) * time.Millisecond
	}
	if got := summary(all); *got != (pauses{100, 198, 200}) {
		t.Errorf("%+v", got)
	}
	if summary(nil) != nil {
		t.Error("there is a summary of nothing")
	}
	if got := redact("nats://a:b@c:1,nats://d:e@f:2"); got != "...@f:2" {
		t.Error(got)
	}
}
