package clstr

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestCloseBeforeOpenReturns: an entity may be called before, and a goroutine of it close
// the service. The end waits for what there is to stop.
func TestCloseBeforeOpenReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends []string
		s := newService(Options{Name: "x"}, Link{Close: func() error { ends = append(ends, "link"); return nil }})
		closed := make(chan error)
		go func() { closed <- s.Close(context.Background()) }() // ends with the service
		synctest.Wait()
		s.stop = func() error { ends = append(ends, "node"); return nil }
		close(s.opened)
		if err := <-closed; err != nil || len(ends) != 2 || ends[0] != "node" {
			t.Errorf("%v ended, %v", ends, err)
		}
		if _ = s.link.Close(); len(ends) != 2 { // Open does, if it fails
			t.Errorf("%v ended", ends)
		}
	})
}
