package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/testkit"
)

func TestTable(t *testing.T) {
	testkit.CheckLeaks(t)
	var out, problems bytes.Buffer
	if code := run(t.Context(), []string{"-keys", "50", "-requests", "500"}, &out, &problems); code != 0 || problems.Len() > 0 {
		t.Fatalf("code %d: %s", code, &problems)
	}
	for _, want := range []string{"node-1", "node-2", "node-3", "total       64     50        500", "add up to 500", " 0 errors", "p99"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &out)
		}
	}
}

func TestJSON(t *testing.T) {
	var out, problems bytes.Buffer
	args := []string{"--json", "-nodes", "2", "-shards", "16", "-keys", "40", "-requests", "30", "-callers", "3"}
	if code := run(t.Context(), args, &out, &problems); code != 0 || problems.Len() > 0 {
		t.Fatalf("code %d: %s", code, &problems)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in:\n%s", err, &out)
	}
	want := row{Node: "total", Shards: 16, Keys: 30, Requests: 30} // 10 keys were never asked for
	if len(r.Nodes) != 2 || r.Total != want || r.Counted != 30 || r.Errors != 0 || r.Max < r.P50 || r.PerSecond <= 0 {
		t.Errorf("got %+v", r)
	}
}

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-nodes 0":          "-nodes 0: 1 to 100 allowed",
		"-shards 5000":      "-shards 5000: 1 to 4096 allowed",
		"-keys many":        `invalid value "many" for flag -keys`,
		"-requests=-1":      "-requests -1: 1 to 2000000 allowed",
		"-verbose":          "-verbose",
		"-keys 5 something": `unexpected argument "something"`,
	} {
		var out, problems bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), &out, &problems); code != 2 {
			t.Errorf("%s: code %d", args, code)
		}
		if !strings.Contains(problems.String(), want) || !strings.Contains(problems.String(), "-h") || out.Len() > 0 {
			t.Errorf("%s: %q, on stdout %q", args, &problems, &out)
		}
	}
}

func TestHelp(t *testing.T) {
	var out, problems bytes.Buffer
	if code := run(t.Context(), []string{"-h"}, &out, &problems); code != 0 || problems.Len() > 0 {
		t.Fatalf("code %d: %s", code, &problems)
	}
	for _, want := range []string{"Examples:", "-keys", "-requests", "-nodes", "-shards", "-json"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &out)
		}
	}
}

// TestInterrupted: who interrupts it learns that requests have failed.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, problems bytes.Buffer
	if code := run(ctx, nil, &out, &problems); code != 1 || !strings.Contains(problems.String(), "canceled") {
		t.Errorf("code %d: %q", code, &problems)
	}
}

// TestSums: what does not add up is found.
func TestSums(t *testing.T) {
	at := func(node string, count int) answer { return answer{Visited: Visited{node, count}} }
	for name, answers := range map[string][]answer{
		"two homes":         {at("a", 1), at("b", 1)},
		"a count too low":   {at("a", 1), at("a", 1)},
		"a count too high":  {at("a", 1), at("a", 3)},
		"a second instance": {at("a", 1), at("a", 2), at("a", 1)},
	} {
		r := newReport(options{})
		if err := r.count(answers, 1); err == nil {
			t.Errorf("%s: counted %d, no error", name, r.Counted)
		}
	}
}
