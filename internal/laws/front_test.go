package laws

import (
	"bytes"
	"os/exec"
	"testing"
)

// screen is how many lines a terminal shows at once.
const screen = 40

// TestFrontFitsOnAScreen: go doc of the front is read without scrolling.
func TestFrontFitsOnAScreen(t *testing.T) {
	cmd := exec.Command("go", "doc", ".")
	cmd.Dir = root
	var said bytes.Buffer // what the go command says of other things is no part of the page
	cmd.Stderr = &said
	out, err := cmd.Output()
	if n := bytes.Count(out, []byte("\n")); err != nil || n > screen || n < 10 {
		t.Errorf("go doc of the front has %d lines, over %d, %v:\n%s\n%s", n, screen, err, out, said.Bytes())
	}
}
