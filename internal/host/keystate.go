// Where a key stands: its incarnation, its turns, and the end of its shard

package host

// keyState is where a key stands, in one word. Only after changes it.
//
//	life   spawning --start--> live --stop--> stopping --again--> spawning   mail has come
//	                                             |
//	                                             +-------die----> dead       none has
//
//	turn   resting --schedule--> queued <--schedule/work--> working --rest--> resting
//
//	end    serving --wake--> woken --cut--> cutOff   the wait for its end was over
//	          |              a stop hook has asked       ^
//	          |              for it while its shard ends |
//	          +-----------------------cut----------------+
//
// A failure suspends a live key until its supervisor restarts or stops it. A key that is
// leaving stops after the turn that runs. A key that was woken does not leave.
type keyState struct {
	life      life
	turn      turnState
	end       endState
	suspended bool
	leaving   bool
}

// life is where a key's incarnation stands.
type life uint8

const (
	spawning life = iota // there is none yet
	live
	stopping
	dead // out of the shard's table
)

// turnState is what a key's turn is for.
type turnState uint8

const (
	resting turnState = iota
	queued            // on the pool, or at a message that the key has sent to itself
	working           // at a message of another sender, or of protoactor
)

// endState is how the end of its shard concerns a key.
type endState uint8

const (
	serving endState = iota
	woken
	cutOff // it takes nothing more, and its stop hook does not run
)

// event is what changes a state.
type event uint8

const (
	evRest     = event(resting) // the first three are changes of the turn alone
	evSchedule = event(queued)
	evWork     = event(working)
)

const (
	evStart event = iota + evWork + 1
	evSuspend
	evResume
	evLeave
	evStay
	evStop
	evAgain
	evDie
	evWake
	evCut
)

// after returns the state that follows an event.
func (s keyState) after(e event) keyState {
	switch e {
	case evRest, evSchedule, evWork:
		s.turn = turnState(e)
	case evStart:
		s.life = live
	case evSuspend:
		s.suspended = true
	case evResume:
		s.suspended = false
	case evLeave:
		s.leaving = s.end != woken // otherwise it ends in the second round
	case evStay:
		s.leaving = false
	case evStop:
		if s.life == live {
			s.life = stopping
		}
	case evAgain:
		return keyState{life: spawning, turn: s.turn}
	case evDie:
		return keyState{life: dead, turn: min(s.turn, queued), end: s.end}
	case evWake:
		s.end = woken
	case evCut:
		s.end = cutOff
	}
	return s
}

// isActive reports whether the key counts in its host's bound.
func (s keyState) isActive() bool { return s.life < stopping }

// runs reports whether the key can take mail.
func (s keyState) runs() bool { return s.life == live && !s.suspended }

// to changes the state, and returns by how many more keys are active.
func (s *keyState) to(e event) (more int) {
	if e <= evWork { // as after; a message has two or three of these
		s.turn = turnState(e)
		return 0
	}
	return s.passesTo(e)
}

func (s *keyState) passesTo(e event) (more int) {
	was := s.isActive()
	*s = s.after(e)
	switch is := s.isActive(); {
	case is && !was:
		return 1
	case was && !is:
		return -1
	}
	return 0
}
