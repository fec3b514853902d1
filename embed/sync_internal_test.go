package embed

import (
	"path/filepath"
	"testing"

	"github.com/clstr-go/clstr"
)

// TestSyncAlways is what JetStream is told.
func TestSyncAlways(t *testing.T) {
	for _, want := range []bool{false, true} {
		s := New(Options{Dir: filepath.Join(t.TempDir(), "data"), SyncAlways: want})
		srv, _, err := s.enter(clstr.Member{Service: "bank"})
		if err != nil {
			t.Fatal(err)
		}
		if got := srv.JetStreamConfig().SyncAlways; got != want {
			t.Errorf("SyncAlways %v: JetStream syncs always: %v", want, got)
		}
		s.leave("")
	}
}
