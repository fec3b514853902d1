package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/testkit"
)

func TestTable(t *testing.T) {
	testkit.CheckLeaks(t)
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"node-1       24    372       3720", "node-2       20    331       3310", "node-3       20    297       2970",
		"total       64   1000      10000", "on one node and has counted its 10 requests", "p99",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &out)
		}
	}
}

// A request that fails is told, and nothing is left running.
func TestFails(t *testing.T) {
	testkit.CheckLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What does not add up is found.
func TestSums(t *testing.T) {
	at := func(node string, count int) answer { return answer{Visited: Visited{node, count}} }
	for name, answers := range map[string][]answer{
		"two homes":         {at("a", 1), at("b", 1)},
		"a count too low":   {at("a", 1), at("a", 1)},
		"a count too high":  {at("a", 1), at("a", 3)},
		"a second instance": {at("a", 1), at("a", 2), at("a", 1)},
	} {
		if err := check(answers, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := check([]answer{at("a", 1), at("b", 2), at("a", 2), at("b", 1)}, 2); err != nil {
		t.Error(err)
	}
}
