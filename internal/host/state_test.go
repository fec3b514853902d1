package host

import (
	"testing"
)

// TestStateOfAKey walks the drawing above state.
func TestStateOfAKey(t *testing.T) {
	for name, c := range map[string]struct {
		events []event
		want   state
	}{
		"made":                       {nil, state{}},
		"live":                       {[]event{evStart}, state{life: live}},
		"at a message":               {[]event{evStart, evSchedule, evWork}, state{life: live, turn: working}},
		"at its own message":         {[]event{evStart, evSchedule, evWork, evSchedule}, state{life: live, turn: queued}},
		"at rest":                    {[]event{evStart, evSchedule, evWork, evRest}, state{life: live}},
		"has failed":                 {[]event{evStart, evSuspend}, state{life: live, suspended: true}},
		"restarted":                  {[]event{evStart, evSuspend, evResume}, state{life: live}},
		"asks to go":                 {[]event{evStart, evLeave}, state{life: live, leaving: true}},
		"stays":                      {[]event{evStart, evLeave, evStay}, state{life: live}},
		"stops":                      {[]event{evStart, evStop}, state{life: stopping}},
		"stops before it lives":      {[]event{evStop}, state{}},
		"has mail":                   {[]event{evStart, evSuspend, evLeave, evStop, evAgain}, state{}},
		"has mail, while it runs":    {[]event{evStart, evSchedule, evWork, evStop, evAgain}, state{turn: working}},
		"has none":                   {[]event{evStart, evStop, evDie}, state{life: dead}},
		"has none, while it runs":    {[]event{evStart, evSchedule, evWork, evStop, evDie}, state{life: dead, turn: queued}},
		"stops once it is dead":      {[]event{evStart, evStop, evDie, evStop}, state{life: dead}},
		"is woken":                   {[]event{evStart, evStop, evAgain, evWake, evStart}, state{life: live, end: woken}},
		"is cut off":                 {[]event{evStart, evCut, evStop}, state{life: stopping, end: cutOff}},
		"is cut off before it lives": {[]event{evCut, evDie}, state{life: dead, end: cutOff}},
	} {
		var s state
		for _, e := range c.events {
			s = s.after(e)
		}
		if s != c.want {
			t.Errorf("%s: %+v, want %+v", name, s, c.want)
		}
	}
}

// TestActiveKeysAreCountedByTheirState, however they come and go.
func TestActiveKeysAreCountedByTheirState(t *testing.T) {
	var b mailbox
	n := 1 // it is made
	for _, step := range []struct {
		event event
		want  int
	}{{evStart, 1}, {evSuspend, 1}, {evStop, 0}, {evStop, 0}, {evAgain, 1}, {evStart, 1}, {evCut, 1}, {evStop, 0}, {evDie, 0}} {
		if n += b.to(step.event); n != step.want {
			t.Errorf("after %d: %d active, want %d", step.event, n, step.want)
		}
	}
}
