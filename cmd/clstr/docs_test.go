package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
)

const tour = "../../docs/cli.md"

// TestTour runs what docs/cli.md shows. Requests and drains go to a live cluster, and
// of a drain only the words are compared; all else is read from the prepared records.
func TestTour(t *testing.T) {
	b, err := os.ReadFile(tour)
	if err != nil {
		t.Fatal(err)
	}
	l := startLive(t, "a", "b", "c")
	fill(l)
	before, commands := string(b), 0
	after := regexp.MustCompile("(?s)```console\n(.*?)```").ReplaceAllStringFunc(before, func(block string) string {
		var out strings.Builder
		out.WriteString("```console\n")
		exit := 0
		shown := strings.TrimSuffix(strings.TrimPrefix(block, "```console\n"), "```")
		for _, part := range strings.SplitAfter("\n"+shown, "\n$ ")[1:] {
			part = strings.TrimSuffix(part, "$ ")
			line, want, _ := strings.Cut(part, "\n")
			var got string
			if line == "echo $?" {
				got = number(exit) + "\n"
			} else {
				got, exit = l.show(line)
				commands++
			}
			if words(line, want) == words(line, got) {
				got = want
			} else {
				t.Logf("%s prints\n%s", line, got)
			}
			out.WriteString("$ " + line + "\n" + got)
		}
		return out.String() + "```"
	})
	if commands < 10 {
		t.Errorf("only %d commands are shown", commands)
	}
	if *update {
		if err := os.WriteFile(tour, []byte(after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	is, should := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i, line := range should {
		if i >= len(is) || is[i] != line {
			t.Fatalf("%s, line %d (if that is meant: go test ./cmd/clstr -run Tour -update): want\n%s", tour, i+1, line)
		}
	}
}

// fill stores what the tour looks at.
func fill(l *live) {
	s := &filled{live: l, layout: demoLayout, owner: state.Owner{Layout: `64 shards, seed ""`, Cluster: "C1", Epoch: 4}}
	s.store = s.open(natsstate.Options{URL: l.url})
	s.put("account", "acc-1", state.Record{Number: 3, Version: 2, State: []byte(`{"Balance":10}`)})
	s.put("account", "acc-2", state.Record{Version: 2, State: []byte(`{"Balance":250}`)})
	s.put("account", "acc-3", state.Record{Version: 2, State: []byte(`{`)})
}

var figures = regexp.MustCompile(`\b[0-9a-f]{8}\b|[0-9]+(\.[0-9]+)?( ?(ms|µs|s)\b)?`)

// parked is told with what became of them, where there are any.
var parked = regexp.MustCompile(`(?m)^parked +N calls?\b.*`)

// words are what is compared: figures of a drain, and how often its progress is
// told, differ each time.
func words(line, text string) string {
	switch {
	case strings.HasPrefix(line, "clstr state"):
		return figures.ReplaceAllString(regexp.MustCompile(" +").ReplaceAllString(text, " "), "N")
	case !strings.HasPrefix(line, "clstr drain"):
		return text
	}
	text = regexp.MustCompile("(?m)^draining .*\n").ReplaceAllString(text, "")
	text = figures.ReplaceAllString(text, "N")
	return parked.ReplaceAllString(text, "parked  N calls")
}

// show runs a line of the tour as a shell does.
func (l *live) show(line string) (printed string, exit int) {
	l.t.Helper()
	line, jq, piped := strings.Cut(line, " | jq .")
	args := split(line)[1:]
	var r result
	if slices.Contains([]string{"request", "notify", "drain", "state"}, args[0]) || slices.Contains(args, "--prefix") {
		r = l.run(args...)
		r.err = strings.ReplaceAll(r.err, l.url, "nats://127.0.0.1:4222")
	} else {
		r = onStore(l.t, prepared(l.t), args...)
	}
	if piped {
		var v map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r.out), &v); err != nil {
			l.t.Fatalf("%s: %v in %s", line, err, r.out)
		}
		r.out = string(v[jq]) + "\n"
	}
	return r.err + r.out, r.exit
}

// split knows words and single quotes.
func split(line string) (args []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}
