// StateFaults: what happens to what a store of state is asked

package testkit

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clstr-go/clstr/state"
)

// StateFaults makes stores of state misbehave: it loses, delays and refuses changes, loses
// or repeats their answers, and has reads and openings fail. Make one with [NewStateFaults]
// and put it before a store ([StateFaults.Store]). You may change the rules while it runs.
// It is safe for concurrent use, and works inside a testing/synctest bubble.
//
// The faults are those that a network and a store can have. A change is still stored whole or
// not at all, once, and never under a fence that has moved. Only [StateRule.Double] breaks the
// contract of [state.Store], which promises one answer.
//
// What happens to a change is drawn from the seed, from the change's key, and from the number
// of changes that the key has had. So the same changes of one key meet the same faults in every
// run, whatever happens to other keys. Reads, openings and mail from outside are drawn in the
// same way, each apart.
type StateFaults struct {
	seed uint64

	mu     sync.Mutex
	rules  []StateRule
	named  []map[lane]int // what a rule has named, by lane
	calls  map[lane]int
	counts StateFaultCounts
}

// StateFaultCounts is what [StateFaults] has done so far.
type StateFaultCounts struct {
	Changes     int // that were asked for, mail from outside included
	Lost        int
	AnswersLost int
	Late        int
	Refused     int
	Doubled     int
	ReadsFailed int
	OpensFailed int
	Delayed     int // changes, answers to changes, reads and openings
}

var (
	errStateLost = errors.New("testkit: the test has lost the answer of the store")
	errStateDown = errors.New("testkit: the test keeps the store from answering")
)

// NewStateFaults makes faults with rules. Without rules nothing goes wrong. NewStateFaults
// panics on a rule that cannot work, and says why.
func NewStateFaults(seed uint64, rules ...StateRule) *StateFaults {
	f := &StateFaults{seed: seed, calls: map[lane]int{}}
	f.SetRules(rules...)
	return f
}

// SetRules replaces the rules for what is asked later. The counts behind [StateRule.First]
// begin anew. SetRules panics as NewStateFaults does.
func (f *StateFaults) SetRules(rules ...StateRule) {
	named := make([]map[lane]int, len(rules))
	for i := range rules {
		if err := rules[i].validate(); err != nil {
			panic(fmt.Sprintf("testkit: state rule %d: %v", i, err))
		}
		named[i] = map[lane]int{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules, f.named = append([]StateRule(nil), rules...), named
}

// Injected returns the counts of what was done so far.
func (f *StateFaults) Injected() StateFaultCounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// Store puts the faults before a store.
func (f *StateFaults) Store(s state.Store) state.Store { return &faultyStore{s, f} }

// stateVerdict is the decision about one question to a store.
type stateVerdict struct {
	what  stateFault
	pause time.Duration // before it
	late  time.Duration // of what comes after its answer
	err   error
}

func (f *StateFaults) judge(op stateOp, shard uint32, kind, key string) (v stateVerdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := lane{kind: string(op) + " " + kind, key: key, shard: shard}
	random := l.random(f.seed, f.calls[l])
	f.calls[l]++
	if op == opCommit || op == opAppend {
		f.counts.Changes++
	}
	for i := range f.rules {
		r := &f.rules[i]
		if !in(r.Shards, shard) || !in(r.Kinds, kind) || !in(r.Keys, key) {
			continue
		}
		if r.First > 0 {
			if f.named[i][l] == r.First {
				return v
			}
			f.named[i][l]++
		}
		v.what = r.draw(op, random())
		if random() < r.Delay {
			f.counts.Delayed++
			v.pause = r.pause(random())
		}
		v.late = r.pause(random())
		v.err = r.Err
		if r.Err == nil {
			v.err = state.ErrFull
		}
		f.counts.add(op, v.what)
		return v
	}
	return v
}

func (c *StateFaultCounts) add(op stateOp, what stateFault) {
	for _, n := range []struct {
		count *int
		is    bool
	}{
		{&c.ReadsFailed, op == opRead && what == stateLost},
		{&c.OpensFailed, op == opOpen && what != stateKept},
		{&c.Lost, (op == opCommit || op == opAppend) && what == stateLost},
		{&c.AnswersLost, op != opOpen && what == stateUnanswered},
		{&c.Late, what == stateLate},
		{&c.Delayed, what == stateSlow},
		{&c.Refused, what == stateRefused},
		{&c.Doubled, what == stateDoubled},
	} {
		if n.is {
			*n.count++
		}
	}
}
