package host

import (
	"testing"
)

// TestStateOfAKey walks the drawing above state.
func TestStateOfAKey(t *testing.T) {
	for name, c := range map[string]struct {
		events []event
		want   keyState
	}{
		"made":                       {nil, keyState{}},
		"live":                       {[]event{evStart}, keyState{life: live}},
		"at a message":               {[]event{evStart, evSchedule, evWork}, keyState{life: live, turn: working}},
		"at its own message":         {[]event{evStart, evSchedule, evWork, evSchedule}, keyState{life: live, turn: queued}},
		"at rest":                    {[]event{evStart, evSchedule, evWork, evRest}, keyState{life: live}},
		"has failed":                 {[]event{evStart, evSuspend}, keyState{life: live, suspended: true}},
		"restarted":                  {[]event{evStart, evSuspend, evResume}, keyState{life: live}},
		"asks to go":                 {[]event{evStart, evLeave}, keyState{life: live, leaving: true}},
		"stays":                      {[]event{evStart, evLeave, evStay}, keyState{life: live}},
		"stops":                      {[]event{evStart, evStop}, keyState{life: stopping}},
		"stops before it lives":      {[]event{evStop}, keyState{}},
		"has mail":                   {[]event{evStart, evSuspend, evLeave, evStop, evAgain}, keyState{}},
		"has mail, while it runs":    {[]event{evStart, evSchedule, evWork, evStop, evAgain}, keyState{turn: working}},
		"has none":                   {[]event{evStart, evStop, evDie}, keyState{life: dead}},
		"has none, while it runs":    {[]event{evStart, evSchedule, evWork, evStop, evDie}, keyState{life: dead, turn: queued}},
		"stops once it is dead":      {[]event{evStart, evStop, evDie, evStop}, keyState{life: dead}},
		"is woken":                   {[]event{evStart, evStop, evAgain, evWake, evStart}, keyState{life: live, end: woken}},
		"is woken, and asks to go":   {[]event{evWake, evStart, evLeave}, keyState{life: live, end: woken}},
		"is cut off":                 {[]event{evStart, evCut, evStop}, keyState{life: stopping, end: cutOff}},
		"is cut off before it lives": {[]event{evCut, evDie}, keyState{life: dead, end: cutOff}},
	} {
		var s keyState
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
