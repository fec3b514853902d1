package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

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
		`the stored states have each of them once`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s is missing in:\n%s", want, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 81 { // with its end
			t.Errorf("a terminal of 80 columns breaks %s", line)
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
