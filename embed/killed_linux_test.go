package embed_test

import (
	"testing"

	"github.com/clstr-go/clstr/embed"
	"github.com/clstr-go/clstr/testkit"
)

// TestKilledProcessIsNotWaitedFor: a process that is started again in the folder serves at once, although
// the lease of the killed process lasts for an hour, longer than the test may take. Only on Linux can a
// process prove that the one before it has ended.
func TestKilledProcessIsNotWaitedFor(t *testing.T) {
	testkit.CheckLeaks(t)
	t.Setenv("CLSTR_EMBED_LONG", "1") // of both processes
	dir := t.TempDir()
	kill(t, dir)
	add(t, open(t, embed.Dir(dir)), "k", 1)
}
