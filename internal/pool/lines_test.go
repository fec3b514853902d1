package pool

import "testing"

// named is a task that is only looked at.
type named string

func (named) Run(Slot) {}

// TestLines: tasks go into both lines in each way, and come out in the right order and from the right line.
func TestLines(t *testing.T) {
	var l lines
	next := func(want named, wantFirst bool) {
		t.Helper()
		n := l.len()
		got, first := l.pop()
		if got != want || first != wantFirst || l.len() != n-1 {
			t.Errorf("got %v (%v), and %d of %d stay; want %v (%v)", got, first, l.len(), n, want, wantFirst)
		}
	}
	if got, first := l.pop(); got != nil || first || l.len() != 0 {
		t.Errorf("an empty one has %v (%v)", got, first)
	}
	l.push(named("a"), false)
	l.push(named("b"), true)
	l.push(named("c"), false)
	next("b", true)
	next("a", false)
	for range mostFirst {
		l.push(named("d"), true)
		next("d", true)
	}
	l.push(named("e"), true)
	next("c", false) // the ninth
	next("e", true)
	for range 3 * mostFirst { // none of the rest waits
		l.push(named("f"), true)
		next("f", true)
	}
}

// TestFirstInACrew: a task that others wait for comes first among those that have slots, too, also if it had to wait for its
// slot. Of nine in a row one is of the rest.
func TestFirstInACrew(t *testing.T) {
	p := newPool(20, 1)
	c := &p.crews.all[0]
	c.called = true // no worker comes
	var want []Task
	for range mostFirst - 1 {
		p.GoFirst(named("first"))
		want = append(want, named("first"))
	}
	for range 20 - (mostFirst - 1) {
		p.Go(named("has a slot"))
	}
	p.Go(named("rest"))
	p.GoFirst(named("waits for a slot"))
	p.free()
	p.free()
	want = append(want, named("waits for a slot"), named("has a slot"))
	for i, w := range want {
		if got, _ := c.line.pop(); got != w {
			t.Errorf("the task %d of the crew is %q, want %q", i, got, w)
		}
	}
	if s := p.Stats(); s.Running != 20 || s.Waiting != 0 || c.line.len() != 20+2-len(want) {
		t.Errorf("%+v, and %d stay in the crew's line", s, c.line.len())
	}
}
