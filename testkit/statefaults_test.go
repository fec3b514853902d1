package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/state/statetest"
	"github.com/clstr-go/clstr/testkit"
)

// Without a rule that matches, a store behind faults is the store.
func TestStateFaultsLeaveAStoreAsItIs(t *testing.T) {
	statetest.Run(t, statetest.Harness{New: func(*testing.T) func(bool) state.Store {
		s := memstate.New()
		f := testkit.NewStateFaults(1, testkit.StateRule{Shards: []uint32{1 << 30}, Lose: 1, FailRead: 1, FailOpen: 1})
		return func(adopt bool) state.Store {
			if adopt {
				s.Adopt()
			}
			return f.Store(s)
		}
	}})
}

// told is one answer to a change, and when it came.
type told struct {
	err error
	at  time.Duration
}

// place is a store behind faults, and the same without them.
type place struct {
	t     *testing.T
	bare  *memstate.Store
	store state.Store
	token state.Token
	began time.Time

	mu   sync.Mutex
	told []told
}

func newPlace(t *testing.T, f *testkit.StateFaults) *place {
	p := &place{t: t, bare: memstate.New(), began: time.Now()}
	p.store = f.Store(p.bare)
	var err error
	if p.token, err = p.bare.Open(t.Context(), 7, state.Owner{}, state.Token{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) change(key string, n uint64) state.Change {
	return state.Change{Token: p.token, Kind: "k", Key: key, Record: &state.Record{Number: n, State: fmt.Append(nil, n)},
		Mail: []state.Mail{{Shard: 7, Kind: "k", Key: "mail", Payload: fmt.Append(nil, n)}}}
}

// commit asks for a change, and spoils its bytes once that is allowed.
func (p *place) commit(key string, n uint64) {
	c := p.change(key, n)
	p.store.Commit(c, func(_ state.Rev, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, told{err, time.Since(p.began)})
		copy(c.Record.State, "x")
		copy(c.Mail[0].Payload, "x")
	})
}

// stored returns the number, state and mails that a key's change has left.
func (p *place) stored(key string) string {
	es, _, err := p.bare.Read(p.t.Context(), p.token, state.Range{Shard: 7, Kind: "k", Key: key})
	if err != nil {
		p.t.Fatal(err)
	}
	mails, _, err := p.bare.Read(p.t.Context(), p.token, state.Range{Place: state.Mails, Shard: 7})
	if err != nil {
		p.t.Fatal(err)
	}
	text := ""
	for _, e := range es {
		text += fmt.Sprintf("%d %s", e.Record.Number, e.Record.State)
	}
	for _, e := range mails {
		text += fmt.Sprintf(" mail %s", e.Mail.Payload)
	}
	return text
}

// TestStateFaultsOfAChange: what is stored, what is said of it, and when.
func TestStateFaultsOfAChange(t *testing.T) {
	const sec = time.Second
	slow := testkit.StateRule{DelayMin: 2 * sec, DelayMax: 2 * sec}
	with := func(set func(*testkit.StateRule)) testkit.StateRule {
		r := slow
		set(&r)
		return r
	}
	for name, test := range map[string]struct {
		rule    testkit.StateRule
		now     string          // stored at once
		then    string          // stored in the end
		answers []time.Duration // when each came
		refused bool
		doubt   bool
		counts  testkit.StateFaultCounts
	}{
		"nothing":        {testkit.StateRule{}, "1 1 mail 1", "1 1 mail 1", []time.Duration{0}, false, false, testkit.StateFaultCounts{Changes: 1}},
		"lost":           {testkit.StateRule{Lose: 1}, "", "", []time.Duration{0}, false, true, testkit.StateFaultCounts{Changes: 1, Lost: 1}},
		"unanswered":     {testkit.StateRule{LoseAnswer: 1}, "1 1 mail 1", "1 1 mail 1", []time.Duration{0}, false, true, testkit.StateFaultCounts{Changes: 1, AnswersLost: 1}},
		"full":           {testkit.StateRule{Refuse: 1}, "", "", []time.Duration{0}, true, false, testkit.StateFaultCounts{Changes: 1, Refused: 1}},
		"refused":        {testkit.StateRule{Refuse: 1, Err: state.ErrDeposed}, "", "", []time.Duration{0}, true, false, testkit.StateFaultCounts{Changes: 1, Refused: 1}},
		"late":           {with(func(r *testkit.StateRule) { r.Late = 1 }), "", "1 1 mail 1", []time.Duration{0}, false, true, testkit.StateFaultCounts{Changes: 1, Late: 1}},
		"doubled":        {with(func(r *testkit.StateRule) { r.Double = 1 }), "1 1 mail 1", "1 1 mail 1", []time.Duration{0, 2 * sec}, false, false, testkit.StateFaultCounts{Changes: 1, Doubled: 1}},
		"delayed":        {with(func(r *testkit.StateRule) { r.Delay = 1 }), "", "1 1 mail 1", []time.Duration{2 * sec}, false, false, testkit.StateFaultCounts{Changes: 1, Delayed: 1}},
		"answered later": {with(func(r *testkit.StateRule) { r.DelayAnswer = 1 }), "1 1 mail 1", "1 1 mail 1", []time.Duration{2 * sec}, false, false, testkit.StateFaultCounts{Changes: 1, Delayed: 1}},
		"lost, later":    {with(func(r *testkit.StateRule) { r.Delay, r.Lose = 1, 1 }), "", "", []time.Duration{2 * sec}, false, true, testkit.StateFaultCounts{Changes: 1, Delayed: 1, Lost: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := testkit.NewStateFaults(1, test.rule)
				p := newPlace(t, f)
				p.commit("a", 1)
				if got := p.stored("a"); got != test.now {
					t.Errorf("stored at once: %q, want %q", got, test.now)
				}
				time.Sleep(10 * sec)
				synctest.Wait()
				if got := p.stored("a"); got != test.then {
					t.Errorf("stored: %q, want %q", got, test.then)
				}
				var at []time.Duration
				for _, a := range p.told {
					at = append(at, a.at)
					if (a.err != nil) != (test.refused || test.doubt) || state.Refused(a.err) != test.refused {
						t.Errorf("answered %v", a.err)
					}
				}
				if !slices.Equal(at, test.answers) {
					t.Errorf("answers at %v, want %v", at, test.answers)
				}
				if got := f.Injected(); got != test.counts {
					t.Errorf("injected %+v, want %+v", got, test.counts)
				}
			})
		})
	}
}

// What is late comes under its own token: it is stored by an owner that has not moved its
// fence, and never behind a move.
func TestStateFaultsKeepTheFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, testkit.NewStateFaults(1, testkit.StateRule{Late: 1, DelayMax: time.Second}))
		p.commit("a", 1)
		token, err := p.bare.Open(t.Context(), 7, state.Owner{}, p.token)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		p.token = token
		if got := p.stored("a"); got != "" {
			t.Errorf("stored behind the move: %q", got)
		}
	})
}

// TestStateFaultsOfQuestions: reads, openings and mail from outside.
func TestStateFaultsOfQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewStateFaults(1, testkit.StateRule{FailRead: 1, Kinds: []string{"k"}, First: 2})
		p := newPlace(t, f)
		read := func() error {
			_, _, err := p.store.Read(t.Context(), p.token, state.Range{Shard: 7, Kind: "k", Key: "a"})
			return err
		}
		if err := errors.Join(read(), read()); err == nil || read() != nil {
			t.Errorf("two reads must fail: %v", err)
		}
		f.SetRules(testkit.StateRule{FailOpen: 1})
		moved := 0
		for range 100 {
			if _, err := p.store.Open(t.Context(), 7, state.Owner{}, p.token); err == nil || state.Refused(err) {
				t.Fatalf("an opening that fails: %v", err)
			}
			if _, _, err := p.bare.Read(t.Context(), p.token, state.Range{Shard: 7}); err != nil { // by its own move
				moved++
				var again error
				if p.token, again = p.bare.Open(t.Context(), 7, state.Owner{}, p.token); again != nil {
					t.Fatal(again)
				}
			}
		}
		if moved < 25 || moved > 75 {
			t.Errorf("%d of 100 openings that failed have moved the fence, want about half", moved)
		}
		f.SetRules(testkit.StateRule{Keys: []string{"lost"}, Late: 1, DelayMax: 1}, testkit.StateRule{Keys: []string{"unanswered"}, LoseAnswer: 1},
			testkit.StateRule{Keys: []string{"full"}, Refuse: 1}, testkit.StateRule{Delay: 1, DelayMin: time.Hour, DelayMax: time.Hour})
		for key, refused := range map[string]bool{"lost": false, "unanswered": false, "full": true} {
			if _, err := p.store.Append(t.Context(), state.Mail{Shard: 7, Kind: "k", Key: key}); err == nil || state.Refused(err) != refused {
				t.Errorf("%s: %v", key, err)
			}
		}
		es, _, err := p.bare.Read(t.Context(), p.token, state.Range{Place: state.Inbox, Shard: 7})
		if err != nil || len(es) != 1 || es[0].Key != "unanswered" {
			t.Errorf("the inbox has %+v, %v", es, err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("too late"))
		defer cancel()
		if _, _, err := p.store.Read(ctx, p.token, state.Range{Shard: 7}); err == nil || err.Error() != "too late" {
			t.Errorf("a read with a deadline before the delay's end: %v", err)
		}
		want := testkit.StateFaultCounts{Changes: 3, Lost: 1, AnswersLost: 1, Refused: 1, ReadsFailed: 2, OpensFailed: 100, Delayed: 1}
		if got := f.Injected(); got != want {
			t.Errorf("injected %+v, want %+v", got, want)
		}
	})
}

// TestStateFaultsComeAgain: the seed decides what happens to a key, whatever happens to others.
func TestStateFaultsComeAgain(t *testing.T) {
	fate := func(seed uint64, others int) (text string) {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, testkit.NewStateFaults(seed, testkit.StateRule{Lose: 0.2, LoseAnswer: 0.2, Refuse: 0.2, Double: 0.2, Delay: 0.5, DelayMax: time.Second}))
			for n := range uint64(40) {
				for i := range others {
					p.commit(fmt.Sprint("other ", i), n+1)
				}
				synctest.Wait()
				began := time.Now()
				p.store.Commit(p.change("a", n+1), func(_ state.Rev, err error) { text += fmt.Sprint(time.Since(began), err, "; ") })
				time.Sleep(10 * time.Second)
				synctest.Wait()
			}
		})
		return text
	}
	one := fate(1, 0)
	if fate(1, 3) != one {
		t.Error("other keys change a key's fate")
	}
	if fate(2, 0) == one {
		t.Error("the seed changes nothing")
	}
}

func TestStateFaultsThatCannotWork(t *testing.T) {
	for want, r := range map[string]testkit.StateRule{
		"Lose 1.5: 0 to 1":        {Lose: 1.5},
		"FailRead -1: 0 to 1":     {FailRead: -1},
		"make 1.2 together":       {Lose: 0.6, Refuse: 0.6},
		"an error that state.Ref": {Refuse: 1, Err: errors.New("x")},
		"must not be negative":    {DelayMin: -1},
		"is over DelayMax":        {DelayMin: 2, DelayMax: 1},
		"need DelayMax":           {Late: 1},
		"First -1":                {First: -1},
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "testkit: state rule 1: ") || !strings.Contains(text, want) {
					t.Errorf("%+v: %q, want %q", r, text, want)
				}
			}()
			testkit.NewStateFaults(1, testkit.StateRule{}, r)
		}()
	}
}
