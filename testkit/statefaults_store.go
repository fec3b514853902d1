// Faults before a store of state

package testkit

import (
	"context"
	"slices"
	"time"

	"github.com/clstr-go/clstr/state"
)

var _ state.Store = (*faultyStore)(nil)

// faultyStore is a store behind faults. Hints pass as they are: a store may lose them anyway.
type faultyStore struct {
	state.Store
	faults *StateFaults
}

// held waits before a question that is delayed.
func held(ctx context.Context, pause time.Duration) error {
	if pause == 0 {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Open implements [state.Store].
func (s *faultyStore) Open(ctx context.Context, shard uint32, o state.Owner, t state.Token) (state.Token, error) {
	v := s.faults.judge(opOpen, shard, "", "")
	if err := held(ctx, v.pause); err != nil {
		return state.Token{}, err
	}
	if v.what == stateLost {
		return state.Token{}, errStateDown
	}
	token, err := s.Store.Open(ctx, shard, o, t)
	if v.what == stateUnanswered {
		return state.Token{}, errStateLost
	}
	return token, err
}

// Read implements [state.Store].
func (s *faultyStore) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	v := s.faults.judge(opRead, r.Shard, r.Kind, r.Key)
	if err := held(ctx, v.pause); err != nil {
		return nil, false, err
	}
	if v.what == stateLost {
		return nil, false, errStateDown
	}
	return s.Store.Read(ctx, t, r)
}

// Append implements [state.Store].
func (s *faultyStore) Append(ctx context.Context, m state.Mail) (state.Rev, error) {
	v := s.faults.judge(opAppend, m.Shard, m.Kind, m.Key)
	if err := held(ctx, v.pause); err != nil {
		return 0, err
	}
	switch v.what {
	case stateLost:
		return 0, errStateLost
	case stateRefused:
		return 0, v.err
	}
	rev, err := s.Store.Append(ctx, m)
	if v.what == stateUnanswered {
		return 0, errStateLost
	}
	return rev, err
}

// Commit implements [state.Store].
func (s *faultyStore) Commit(c state.Change, done func(state.Rev, error)) {
	v := s.faults.judge(opCommit, c.Token.Shard, c.Kind, c.Key)
	if v.pause == 0 {
		s.commit(c, v, done)
		return
	}
	time.AfterFunc(v.pause, func() { s.commit(c, v, done) })
}

func (s *faultyStore) commit(c state.Change, v stateVerdict, done func(state.Rev, error)) {
	switch v.what {
	case stateLost:
		done(0, errStateLost)
	case stateRefused:
		done(0, v.err)
	case stateUnanswered:
		s.Store.Commit(c, func(state.Rev, error) { done(0, errStateLost) })
	case stateLate:
		c = ownChange(c) // its caller may use the bytes again once it has an answer
		time.AfterFunc(v.late, func() { s.Store.Commit(c, func(state.Rev, error) {}) })
		done(0, errStateLost)
	case stateSlow:
		s.Store.Commit(c, func(rev state.Rev, err error) { time.AfterFunc(v.late, func() { done(rev, err) }) })
	case stateDoubled:
		s.Store.Commit(c, func(rev state.Rev, err error) {
			done(rev, err)
			time.AfterFunc(v.late, func() { done(rev, err) })
		})
	default:
		s.Store.Commit(c, done)
	}
}

// ownChange returns a change that shares no memory with c.
func ownChange(c state.Change) state.Change {
	es := state.Entries(c)
	c.Events, c.Mail, c.Parked, c.Drop = nil, nil, nil, slices.Clone(c.Drop)
	for _, e := range es {
		switch e = e.Clone(); e.Place {
		case state.Records:
			c.Record = e.Record
		case state.Events:
			c.Events = append(c.Events, *e.Event)
		case state.Mails:
			c.Mail = append(c.Mail, *e.Mail)
		case state.Reminders:
			c.Reminders = &e.Reminders
		case state.Parked:
			c.Parked = append(c.Parked, *e.Parked)
		case state.Spilled:
			c.Spill = &state.Spill{Commands: e.Commands, TTL: e.TTL}
		}
	}
	return c
}
