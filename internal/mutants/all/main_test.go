package main

import (
	"io"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/internal/mutants"
)

// TestRun: a name that is not known, and an edit that cannot be made, run nothing.
func TestRun(t *testing.T) {
	if err := run(t.Context(), "../../..", []string{"nobody"}, io.Discard); err == nil || err.Error() != `no mutant "nobody"` {
		t.Errorf("an unknown name: %v", err)
	}
	err := run(t.Context(), t.TempDir(), nil, io.Discard)
	if err == nil || strings.Count(err.Error(), "mutant ") != len(mutants.Table) {
		t.Errorf("in an empty directory: %v", err)
	}
}
