package natstransport

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport/natstransport/internal/routes"
)

// hearsAt notes when it was told, and what.
type hearsAt struct {
	at  []time.Time
	err error
}

func (h *hearsAt) Told(err error) { h.at, h.err = append(h.at, time.Now()), err }

func (p *posted) spares() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.spare)
}

// TestPostedCallsEndInTime: a call that is used again has the deadline of its notification, and none of those before.
func TestPostedCallsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &Transport{}
		tr.posted.t = tr
		defer tr.clock.Stop()
		began := time.Now()
		in := func(d time.Duration) int64 { return expiry.At(began.Add(d)) }
		accepted := func(c *call) {
			tr.calls.register(&batch{calls: []*call{c}})
			tr.posted.give(tr.calls.takeRun(c.id, 1, nil))
		}
		pass := func(d time.Duration) {
			<-time.After(time.Until(began.Add(d)))
			synctest.Wait()
		}
		to := &route{To: &nodeBox{}}
		var first, second, short, beside hearsAt
		post := func(told *hearsAt, end time.Duration) *call {
			return tr.posted.call(to, told, dispatch.Order{}, in(end))
		}
		c := post(&first, 30*time.Second)
		c.unknown = 7 // a node has not known it
		accepted(c)
		pass(10 * time.Second)
		if again := post(&second, 40*time.Second); again != c || c.unknown != 0 || c.id != 0 {
			t.Error("the call is not used again, or knows what it was")
		}
		other := post(&beside, 41*time.Second)
		pass(39 * time.Second)
		if len(second.at) > 0 {
			t.Errorf("told after %v: %v", second.at[0].Sub(began), second.err)
		}
		accepted(other)
		if post(&short, 39500*time.Millisecond) != other { // as with a time to live
			t.Error("the call beside is not used again")
		}
		pass(time.Hour)
		for what, h := range map[string]struct {
			*hearsAt
			end time.Duration
		}{"used again": {&second, 40 * time.Second}, "sooner than before": {&short, 39500 * time.Millisecond}} {
			if len(h.at) != 1 || h.at[0].Sub(began) != h.end || !errors.Is(h.err, outcome.ErrEnvelopeExpired) {
				t.Errorf("%s: told at %v, want once after %v: %v", what, h.at, h.end, h.err)
			}
		}
		if len(first.at)+len(beside.at) > 0 {
			t.Error("a call that was over has ended again")
		}
		if n := tr.posted.spares(); n != 0 {
			t.Errorf("%d calls that were told that their time is up are used again", n)
		}
	})
}

// TestPostedCallsGiveRoomBack: what a peak has left goes when nothing has used it for as long as a notification lasts.
func TestPostedCallsGiveRoomBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &Transport{}
		tr.posted.t = tr
		to := &route{To: &nodeBox{}}
		var b batch
		for range mostSpare + 10 {
			b.calls = append(b.calls, tr.posted.call(to, new(hearsAt), dispatch.Order{}, expiry.Now()+int64(30*time.Second)))
		}
		first, open := tr.calls.register(&b)
		tr.posted.give(tr.calls.takeRun(first, open, nil))
		if n := tr.posted.spares(); n != mostSpare {
			t.Errorf("%d calls are kept, want %d", n, mostSpare)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if n := tr.posted.spares(); n != 0 {
			t.Errorf("%d calls are kept a minute later", n)
		}
		for _, c := range b.calls {
			if tr.clock.Remove(&c.node) {
				t.Fatal("the clock has a call that is over")
			}
		}
	})
}

// TestACallThatIsOverWhenItIsAccepted: the time of a notification is up while its acceptance is on its way to its sender.
// The next notification of the call has its deadline all the same.
func TestACallThatIsOverWhenItIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &Transport{}
		tr.posted.t = tr
		tr.owners.Routes = routes.New("", &tr.owners, &tr.clock, nil)
		defer tr.clock.Stop()
		to := &route{To: &nodeBox{}}
		var first, second hearsAt
		c := tr.posted.call(to, &first, dispatch.Order{}, expiry.Now()+int64(time.Second))
		tr.calls.register(&batch{calls: []*call{c}})
		taken := tr.calls.takeRun(c.id, 1, nil)
		<-time.After(2 * time.Second) // its sender's metrics are slow
		synctest.Wait()
		tr.posted.give(taken)
		if again := tr.posted.call(to, &second, dispatch.Order{}, expiry.Now()+int64(time.Second)); again != c {
			t.Fatal("the call is not used again")
		}
		tr.calls.register(&batch{calls: []*call{c}})
		<-time.After(time.Minute)
		synctest.Wait()
		if len(first.at) > 0 || len(second.at) != 1 || !errors.Is(second.err, outcome.ErrEnvelopeExpired) {
			t.Errorf("the first is told %d times, and the second %d times: %v", len(first.at), len(second.at), second.err)
		}
	})
}
