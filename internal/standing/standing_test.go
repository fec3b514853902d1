package standing

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// call is all that may be known of a call.
type call struct{ notification, part, needed, stopHook, lastTurn bool }

func (c call) AwaitsReply() bool { return !c.notification }
func (c call) IsPart() bool      { return c.part }
func (c call) Needed() bool      { return c.needed }
func (c call) OfStopHook() bool  { return c.stopHook }
func (c call) OfLastTurn() bool  { return c.lastTurn }
func (c call) Target() string    { return "the key" }

func leased() (*Standing, *Lease) {
	l := NewLease()
	l.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	return New("n", 7, 3, l), l
}

func moving(final bool) func(*Standing) {
	return func(s *Standing) { s.Move(time.Now().Add(time.Minute), final) }
}

// what is admitted on arrival, by the steps that a standing has made. A fixed list has no
// lease.
func TestAdmit(t *testing.T) {
	kinds := map[string]call{
		"request": {}, "notification": {notification: true}, "part": {part: true}, "needed": {needed: true},
		"stop hook's": {stopHook: true}, "needed stop hook's": {needed: true, stopHook: true}, "last turn's": {needed: true, lastTurn: true},
	}
	draining, stopping := (*Standing).Drain, (*Standing).Stop
	for _, c := range []struct {
		what  string
		fixed bool
		steps []func(*Standing)
		admit []string // beside parts
		why   error
	}{
		{"serving", true, nil, []string{"request", "notification", "needed", "stop hook's", "needed stop hook's", "last turn's"}, nil},
		{"serving, live", false, nil, []string{"request", "notification", "needed", "stop hook's", "needed stop hook's", "last turn's"}, nil},
		{"draining", true, []func(*Standing){draining}, []string{"needed", "stop hook's", "needed stop hook's", "last turn's"}, outcome.ErrDraining},
		{"moving", false, []func(*Standing){moving(false)}, []string{"needed", "needed stop hook's", "last turn's"}, outcome.ErrNotOwner},
		{"the last moves", false, []func(*Standing){moving(true)}, []string{"needed", "stop hook's", "needed stop hook's", "last turn's"}, outcome.ErrNotOwner},
		{"stopping", true, []func(*Standing){stopping}, []string{"stop hook's", "needed stop hook's", "last turn's"}, outcome.ErrDraining},
		{"moving, at rest", false, []func(*Standing){moving(false), stopping}, []string{"needed stop hook's", "last turn's"}, outcome.ErrNotOwner},
		{"moving, asked again", false, []func(*Standing){moving(false), stopping, draining}, []string{"needed", "needed stop hook's", "last turn's"}, outcome.ErrNotOwner},
		{"moving, cut", false, []func(*Standing){moving(false), (*Standing).Cut, draining}, []string{"needed stop hook's", "last turn's"}, outcome.ErrNotOwner},
		{"ended", true, []func(*Standing){stopping, (*Standing).End, draining, stopping}, nil, outcome.ErrDraining},
	} {
		s, _ := leased()
		if c.fixed {
			s = Fixed()
		}
		for _, step := range c.steps {
			step(s)
		}
		admitted := map[string]bool{"part": true}
		for _, kind := range c.admit {
			admitted[kind] = true
		}
		for kind, call := range kinds {
			err := s.Admit(call)
			if (err == nil) != admitted[kind] {
				t.Errorf("%s: a %s call is met with %v", c.what, kind, err)
			}
			if err != nil && (!errors.Is(err, c.why) || err.Outcome != outcome.NotStarted) {
				t.Errorf("%s: a %s call is refused with %v (%v)", c.what, kind, err, err.Outcome)
			}
		}
	}
}

// What was accepted starts, unless somebody waits for it who finds another owner.
func TestStart(t *testing.T) {
	for _, c := range []struct {
		what                            string
		steps                           []func(*Standing)
		request, notification, isNeeded bool
	}{
		{"serving", nil, true, true, true},
		{"moving", []func(*Standing){moving(false)}, false, true, true},
		{"moving, at rest", []func(*Standing){moving(false), (*Standing).Stop}, false, true, true},
		{"the last moves", []func(*Standing){moving(true)}, true, true, true},
		{"lost", []func(*Standing){(*Standing).Lose, (*Standing).Drain, moving(true)}, false, false, false},
	} {
		s, l := leased()
		for _, step := range c.steps {
			step(s)
		}
		for kind, want := range map[call]bool{{}: c.request, {notification: true}: c.notification, {needed: true}: c.isNeeded} {
			if err := s.Start(kind, time.Now()); (err == nil) != want {
				t.Errorf("%s: %+v starts with %v", c.what, kind, err)
			}
		}
		l.End()
		for _, kind := range []call{{}, {notification: true}, {needed: true}} {
			if err := s.Start(kind, time.Now()); !errors.Is(err, outcome.ErrNotOwner) {
				t.Errorf("%s, without the lease: %+v starts with %v", c.what, kind, err)
			}
		}
	}
}

// A request leaves the clock alone when it arrives: it looks when it starts. A
// notification does not, because its sender would not hear of it then.
func TestLeaseOnArrival(t *testing.T) {
	s, l := leased()
	l.End()
	for kind, want := range map[call]bool{{}: true, {notification: true}: false, {notification: true, part: true}: false} {
		if err := s.Admit(kind); (err == nil) != want {
			t.Errorf("the lease has ended: %+v is met with %v", kind, err)
		}
	}
	if s.Gone() || !s.Elsewhere() {
		t.Error("nobody has noted that the lease has ended")
	}
	if l.Lapse(); s.Admit(call{}) == nil || !s.Gone() {
		t.Error("noted that the lease has ended")
	}
	l.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	if err := s.Admit(call{}); err != nil || s.Gone() || s.Elsewhere() {
		t.Errorf("the lease is back: %v", err)
	}
}

func TestMoves(t *testing.T) {
	s, _ := leased()
	said := fmt.Sprint(s.Moves())
	for _, step := range []func(*Standing){(*Standing).Drain, moving(false), (*Standing).Cut, (*Standing).End, (*Standing).Lose} {
		step(s)
		said += fmt.Sprint(" ", s.Moves())
	}
	if want := "false false true true true false"; said != want {
		t.Errorf("it moves: %s, want %s", said, want)
	}
	if !s.WasCut() || s.Phase() != Lost {
		t.Errorf("phase %v, cut %v", s.Phase(), s.WasCut())
	}
}

// A move has one deadline from its beginning, also for what comes late.
func TestAMoveHasOneDeadline(t *testing.T) {
	s, _ := leased()
	if got := s.Stages(); got != (Stages{}) {
		t.Errorf("it does not move, and its stages are %v", got)
	}
	end := time.Now().Add(16 * time.Second)
	s.Move(end, false)
	got := s.Stages()
	s.Move(end.Add(time.Hour), true)
	if again := s.Stages(); got.End != end || again != got {
		t.Errorf("it ends at %v, then at %v, want %v", got.End, again.End, end)
	}
	if got.Hooks != end.Add(-time.Second) || got.Heed.Sub(got.Calls) != time.Second || !got.Calls.Before(got.Hooks) {
		t.Errorf("stages are %+v", got)
	}
}
