package turn

import "testing"

// TestAnsweredTurns: once its caller has the answer, a turn asks for itself alone, and holds nothing up but a drain.
func TestAnsweredTurns(t *testing.T) {
	by := New(1, Key, "", "by", nil)
	a := New(2, Key, "", "a", by)
	b := New(3, Key, "", "b", a)
	a.Wait(3)
	looks := 100
	if a.Asking() != a || !a.HoldsUp() || len(WaitsFor(by.Number, 10, &looks, false)) != 1 {
		t.Error("a turn that waits, and whose caller waits, holds it up")
	}
	a.Answered()
	alone := a.Asking()
	if alone.Find(by.Number) != nil || alone.Find(a.Number) == nil {
		t.Error("what an answered turn asks is waited for by it alone")
	}
	if a.HoldsUp() || len(WaitsFor(by.Number, 10, &looks, false)) != 0 {
		t.Error("its caller does not wait for it")
	}
	if got := WaitsFor(by.Number, 10, &looks, true); len(got) != 1 || got[0] != a {
		t.Error("a drain waits for its end")
	}
	alone.Wait(4)
	if asks := a.Asks(); len(asks) != 2 {
		t.Errorf("it asks shards %v", asks)
	}
	for _, over := range []*Turn{a, b, by} {
		over.End()
	}
	if turns, calls := Known(); turns != 0 || calls != 0 {
		t.Errorf("left are %d turns and %d calls", turns, calls)
	}
}
