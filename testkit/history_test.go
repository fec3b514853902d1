package testkit

import (
	"strings"
	"testing"
	"time"
)

// TestTwoLivesAtOnce: what the check at a cluster's end is for.
func TestTwoLivesAtOnce(t *testing.T) {
	a, b, dead := &member{id: "a"}, &member{id: "b"}, &member{id: "c", killed: true}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for name, c := range map[string]struct {
		lives []*Life
		bad   bool
	}{
		"one after the other": {[]*Life{{Key: "k", Began: at(1), Ended: at(2), node: a}, {Key: "k", Began: at(2), node: b}}, false},
		"at once":             {[]*Life{{Key: "k", Began: at(1), Ended: at(3), node: a}, {Key: "k", Began: at(2), node: b}}, true},
		"for ever":            {[]*Life{{Key: "k", Began: at(1), node: a}, {Key: "k", Began: at(2), node: b}}, true},
		"of two keys":         {[]*Life{{Key: "k", Began: at(1), node: a}, {Key: "l", Began: at(2), node: b}}, false},
		"of two kinds":        {[]*Life{{Key: "k", Kind: "x", Began: at(1), node: a}, {Key: "k", Began: at(2), node: b}}, false},
		"on a dead node":      {[]*Life{{Key: "k", Began: at(1), node: dead}, {Key: "k", Began: at(2), node: b}}, false},
	} {
		fake := &fakeT{TB: t}
		h := &history{lives: c.lives}
		h.check(fake)
		if got := strings.Contains(strings.Join(fake.errors, ""), "two actors"); got != c.bad {
			t.Errorf("%s: %v", name, fake.errors)
		}
	}
}

// fakeT notes errors.
type fakeT struct {
	testing.TB
	errors []string
}

func (f *fakeT) Helper() {}
func (f *fakeT) Errorf(format string, args ...any) {
	f.errors = append(f.errors, format)
}
