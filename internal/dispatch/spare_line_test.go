package dispatch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/transport"
)

// behind is a place in line behind a turn.
type behind struct{ turn *Turn }

// Running implements turn.Place.
func (b behind) Running() *Turn { return b.turn }

// TestCallsThatStoodInLineAreUsedAgain, unless what looks for circles looks at them at that moment.
func TestCallsThatStoodInLineAreUsedAgain(t *testing.T) {
	for what, c := range map[string]struct {
		stands time.Duration
		search time.Duration
		spent  bool
	}{
		"at once":                    {0, 0, true},
		"before a look":              {probeAfter / 2, 0, true},
		"after a look":               {probeAfter + time.Millisecond, 0, true},
		"after two":                  {4 * probeAfter, 0, true},
		"after one that took a time": {probeAfter + 20*time.Millisecond, 10 * time.Millisecond, true},
		"during one":                 {probeAfter + 5*time.Millisecond, 10 * time.Millisecond, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAsker(t, nil)
			var looks atomic.Int32
			a.sub.d.SetAsk(func(context.Context, uint32, []byte) ([]byte, error) {
				looks.Add(1)
				time.Sleep(c.search)
				return nil, nil
			})
			before := turn.New(0, turn.Key, "", "before", nil)
			before.Wait(0)
			a.line = func(c2 *Call) {
				c2.Queued(behind{before})
				time.Sleep(c.stands)
			}
			if _, err := a.sub.Do(context.Background(), transport.Envelope{Data: []byte("asks")}); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			a.over.Wait()
			if a.spent[false] != c.spent || !a.spent[true] {
				t.Errorf("%s: the call that stood in line may be used again: %v, the other: %v", what, a.spent[false], a.spent[true])
			}
			if (looks.Load() > 0) != (c.stands > probeAfter) {
				t.Errorf("%s: %d looks", what, looks.Load())
			}
			before.End()
			time.Sleep(time.Minute)
			if turns, calls := turn.Known(); turns != 0 || calls != 0 {
				t.Errorf("%s: left are %d turns and %d calls of theirs", what, turns, calls)
			}
		})
	}
}
