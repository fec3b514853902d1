package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
)

// TestPausesAreJittered: callers that were refused at one moment do not come back at
// one moment. Each pause is drawn from the whole of a range that doubles, from 2 ms to
// 250 ms, on top of what the refusal has asked for.
func TestPausesAreJittered(t *testing.T) {
	const callers, tries, hint = 200, 12, 10 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		pauses := make([][]time.Duration, tries) // by try
		for range callers {
			last := time.Now()
			tr := &fakeTransport{reply: func(_ context.Context, try int, _ cluster.Envelope) ([]byte, error) {
				now := time.Now()
				if try > 1 {
					pauses[try-2] = append(pauses[try-2], now.Sub(last))
				}
				if last = now; try > tries {
					return nil, nil
				}
				return nil, outcome.Overloaded(hint, "full")
			}}
			c := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, RetryOn: []error{cluster.ErrOverloaded}})
			if _, err := c.RequestKey(t.Context(), "k", "Get", nil); err != nil {
				t.Error(err)
			}
		}
		most := 2 * time.Millisecond
		for try, all := range pauses {
			var low, high int
			for _, p := range all {
				switch p -= hint; {
				case p <= 0 || p > most+time.Microsecond:
					t.Errorf("pause %d is %v more than the hint, want at most %v", try, p, most)
				case p < most/4:
					low++
				case p > most*3/4:
					high++
				}
			}
			if low < callers/10 || high < callers/10 { // a quarter each is to be expected
				t.Errorf("of %d pauses before try %d, %d are in the lowest quarter of %v and %d in the highest", callers, try+2, low, most, high)
			}
			most = min(2*most, 250*time.Millisecond)
		}
	})
}
