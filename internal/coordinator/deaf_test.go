package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// TestStoreDoesNotAnswerALeave: the node ends all the same, in time.
func TestStoreDoesNotAnswerALeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(time.Second)
		a.cut.Store(true)
		a.stop()
		a.wantEnd(outcome.ErrHandlerTimeout)
		if n := len(cl.owners()); n != 0 {
			t.Error("it serves on")
		}
	})
}
