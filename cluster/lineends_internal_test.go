package cluster

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slowEnds are metrics that take their time for each notification that has failed.
type slowEnds struct {
	ClusterMetrics
	over chan struct{}
}

func (m slowEnds) NotifyCompleted(_ string, success bool) {
	if !success {
		<-m.over
	}
}

// TestAsyncTTLWhileMetricsTakeTheirTime: notifications whose TTL has ended in a line have left it, also while the metrics hear of
// that. The line may be over before the metrics are done.
func TestAsyncTTLWhileMetricsTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mailboxes{size: 1, pace: map[string]time.Duration{"k": 5 * time.Second, "other": time.Millisecond}}
		m := slowEnds{NopClusterMetrics(), make(chan struct{})}
		client := b.open(t, ClientOptions{Metrics: m})
		key := client.Key("k")
		key.NotifyRawAsync(t.Context(), "Add", nil)
		first := key.NotifyRawAsync(t.Context(), "Add", nil) // it waits for room
		time.Sleep(time.Second)
		for range fewest + 1 {
			key.NotifyRawAsync(t.Context(), "Add", nil, WithTTL(time.Second))
		}
		sent := make(chan *Receipt, 1)
		go func() { sent <- key.NotifyRawAsync(t.Context(), "Add", nil) }() // ends when there is room in the line
		synctest.Wait()
		if len(sent) > 0 {
			t.Fatal("the line has room for more than the test knows")
		}
		if err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		select {
		case r := <-sent:
			if err := r.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		default:
			t.Error("a sender waits for room in a line that is over")
		}
		close(m.over)
		synctest.Wait()
		wantEmptyLines(t, client)
	})
}

func wantEmptyLines(t *testing.T, client *Client) {
	t.Helper()
	wantNothingOnItsWay(t, client)
	for _, l := range client.caller.window.spare {
		if l.from != [sorts]seats{} {
			t.Errorf("a line without notifications has %+v", l.from)
		}
	}
}

// TestRefusedTurnsWhileMetricsTakeTheirTime: the same of a turn's notification that does not wait for room.
func TestRefusedTurnsWhileMetricsTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mailboxes{size: 1, pace: map[string]time.Duration{"k": 5 * time.Second}}
		m := slowEnds{NopClusterMetrics(), make(chan struct{})}
		client := b.open(t, ClientOptions{Metrics: m})
		key := client.Key("k")
		key.NotifyRawAsync(t.Context(), "Add", nil)
		first := key.NotifyRawAsync(t.Context(), "Add", nil)
		ofTurn := key.NotifyRawAsync(inATurn(t), "Add", nil) // both are on their way, and come back
		if err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // the line is over
		close(m.over)
		if err := ofTurn.Wait(t.Context()); !errors.Is(err, ErrOverloaded) {
			t.Error(err)
		}
		synctest.Wait()
		wantEmptyLines(t, client)
	})
}
