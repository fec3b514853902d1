// StateRule, and the draws

package testkit

import (
	"fmt"
	"time"

	"github.com/clstr-go/clstr/state"
)

// StateRule says what goes wrong in a store of state, and how often. The first rule that
// matches a question decides about it, even if that rule lets it pass.
type StateRule struct {
	// Shards, Kinds and Keys select questions. An empty list selects all. An opening of a shard,
	// and a read of all keys of a shard, has neither kind nor key.
	Shards []uint32
	Kinds  []string
	Keys   []string

	// The probabilities of what happens, 0 to 1. Of Lose to Double one change meets at most one,
	// and together they are at most 1. Delay is drawn apart and comes first.

	// Lose loses a change: it is not stored, and its answer leaves that in doubt.
	Lose float64
	// LoseAnswer stores a change, and its answer leaves that in doubt.
	LoseAnswer float64
	// Late leaves a change in doubt and hands it to the store DelayMin to DelayMax later. It is
	// stored then, if its shard's fence has not moved meanwhile. Mail from outside is lost instead.
	Late float64
	// Refuse refuses a change with Err, and nothing is stored.
	Refuse float64
	// DelayAnswer stores a change and answers it DelayMin to DelayMax later, as a crash between the
	// two needs it. Mail from outside is answered at once.
	DelayAnswer float64
	// Double stores a change and answers it twice, the second time DelayMin to DelayMax after
	// the first. Mail from outside is not doubled.
	Double float64
	// FailRead has a read fail.
	FailRead float64
	// FailOpen has an opening of a shard fail, half the time after the fence has moved.
	FailOpen float64
	// Delay delays a change, a read or an opening by DelayMin to DelayMax.
	Delay float64

	DelayMin, DelayMax time.Duration

	// Err is the error of Refuse, one that [state.Refused] knows. nil = state.ErrFull.
	Err error

	// First limits the rule to the first changes of each key that it selects; and to as many
	// reads, and as many openings of each shard. 0 = all.
	First int
}

func (r *StateRule) validate() error {
	for name, p := range map[string]float64{"Lose": r.Lose, "LoseAnswer": r.LoseAnswer, "Late": r.Late, "Refuse": r.Refuse,
		"DelayAnswer": r.DelayAnswer, "Double": r.Double, "FailRead": r.FailRead, "FailOpen": r.FailOpen, "Delay": r.Delay} {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("%s %v: 0 to 1 allowed", name, p)
		}
	}
	const rounding = 1e-9
	switch sum := r.Lose + r.LoseAnswer + r.Late + r.Refuse + r.DelayAnswer + r.Double; {
	case sum > 1+rounding:
		return fmt.Errorf("probabilities Lose, LoseAnswer, Late, Refuse, DelayAnswer and Double make %v together: at most 1 allowed", sum)
	case r.Err != nil && !state.Refused(r.Err):
		return fmt.Errorf("field Err %q: an error that state.Refused knows; Lose leaves a change in doubt", r.Err)
	case r.DelayMin < 0 || r.DelayMax < 0:
		return fmt.Errorf("bounds DelayMin %v, DelayMax %v: must not be negative", r.DelayMin, r.DelayMax)
	case r.DelayMin > r.DelayMax:
		return fmt.Errorf("bound DelayMin %v is over DelayMax %v", r.DelayMin, r.DelayMax)
	case r.Delay+r.Late+r.DelayAnswer > 0 && r.DelayMax == 0:
		return fmt.Errorf("probabilities Delay %v, Late %v and DelayAnswer %v need DelayMax", r.Delay, r.Late, r.DelayAnswer)
	case r.First < 0:
		return fmt.Errorf("field First %d: 0 (all) or more", r.First)
	}
	return nil
}

// stateOp is what a store is asked.
type stateOp string

const (
	opCommit stateOp = "commit"
	opAppend stateOp = "append"
	opRead   stateOp = "read"
	opOpen   stateOp = "open"
)

// stateFault is what happens to it.
type stateFault uint8

const (
	stateKept stateFault = iota
	stateLost
	stateUnanswered
	stateLate
	stateRefused
	stateSlow
	stateDoubled
)

// chance is how likely a fault is.
type chance struct {
	p float64
	f stateFault
}

func (r *StateRule) chances(op stateOp) []chance {
	switch op {
	case opRead:
		return []chance{{r.FailRead, stateLost}}
	case opOpen:
		return []chance{{r.FailOpen / 2, stateLost}, {r.FailOpen / 2, stateUnanswered}}
	}
	all := []chance{{r.Lose, stateLost}, {r.LoseAnswer, stateUnanswered}, {r.Refuse, stateRefused}, {r.Late, stateLate}, {r.DelayAnswer, stateSlow}, {r.Double, stateDoubled}}
	if op == opAppend {
		all = append(all[:3], chance{r.Late, stateLost})
	}
	return all
}

// draw draws what happens from a number of [0, 1).
func (r *StateRule) draw(op stateOp, what float64) stateFault {
	for _, c := range r.chances(op) {
		if what < c.p {
			return c.f
		}
		what -= c.p
	}
	return stateKept
}

// pause draws how long a delay is.
func (r *StateRule) pause(x float64) time.Duration {
	return r.DelayMin + time.Duration(x*float64(r.DelayMax-r.DelayMin))
}
