package expiry

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestWallIsTheWallClock: with and without a reading of its own, and in a bubble whose time is another than that of
// the reading before it.
func TestWallIsTheWallClock(t *testing.T) {
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			for range 1000 {
				moment, ms := Wall()
				if want := time.Now(); moment != At(want) || ms != want.UnixMilli() {
					t.Fatalf("moment %d, %d ms; want %d, %d ms", moment, ms, At(want), want.UnixMilli())
				}
				<-time.After(rand.N(wallFor * 5 / 4))
			}
		})
		Wall() // outside
	}
}

// TestWallIsReadAgain: a clock that is set shows after a while.
func TestWallIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, before := Wall()
		r := lastRead.Load()
		lastRead.Store(&reading{r.at, r.wall + int64(time.Hour)}) // as if it had been an hour ahead
		if _, ms := Wall(); ms != before+time.Hour.Milliseconds() {
			t.Errorf("%d ms, want an hour after %d", ms, before)
		}
		<-time.After(wallFor)
		if _, ms := Wall(); ms != before+wallFor.Milliseconds() {
			t.Errorf("%d ms, want %v after %d", ms, wallFor, before)
		}
	})
}
