// Goroutines that outlive a transport

package transporttest

import (
	"runtime"
	"testing"
)

var leakTests = []test{
	{"goroutines are given back", testLeaks},
}

func testLeaks(s *suite) {
	life := func(t *testing.T) { s.busyLife(t) }
	s.Run("warm-up", life) // makes what the process keeps for good
	before := runtime.NumGoroutine()
	s.Run("life", life)
	s.eventually("goroutines are given back", func() bool { return runtime.NumGoroutine() <= before })
}
