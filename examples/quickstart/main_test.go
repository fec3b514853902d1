package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

func TestStory(t *testing.T) {
	testkit.CheckLeaks(t)
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		`three nodes +372 +331 +297 +0 +11000 +0 .* 0 +0\.0\n`,
		`node-4 joins +317 +249 +237 +197 +\d+ +0 .* 12 +\d+\.\d\n`,
		`node-1 drains +0 +370 +417 +213 +\d+ +0 .* 21 +\d+\.\d\n`,
		`node-2 dies +0 +0 +617 +383 +\d+ +\d+ .* 22 +0\.0\n`,
		`none of them was lost`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s is missing in:\n%s", want, &out)
		}
	}
}

// What cannot begin is told, and nothing is left running.
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
	for name, test := range map[string]struct {
		told error
		runs int
		ok   bool
	}{
		"acknowledged":                  {nil, 1, true},
		"acknowledged and lost":         {nil, 0, false},
		"acknowledged, and ran twice":   {nil, 2, false},
		"not started":                   {cluster.ErrNotOwner, 0, true},
		"not started, and ran":          {cluster.ErrNotOwner, 1, false},
		"maybe ran, and did not":        {cluster.ErrConnectionLost, 0, true},
		"maybe ran, and did":            {cluster.ErrConnectionLost, 1, true},
		"maybe ran, and did that twice": {cluster.ErrConnectionLost, 2, false},
	} {
		l := &load{sent: 1, ended: map[int]error{1: test.told}, runs: map[int]int{1: test.runs}}
		if err := l.sums(io.Discard); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who has not read what was written last may not write.
func TestStaleOwner(t *testing.T) {
	l := &load{counts: map[string]int{}, runs: map[int]int{}}
	if err := l.write("key", 0, 1); err != nil {
		t.Error(err)
	}
	if err := l.write("key", 0, 2); err == nil {
		t.Error("no error")
	}
	if l.read("key") != 1 || l.runs[2] != 0 {
		t.Errorf("%+v", l)
	}
}
