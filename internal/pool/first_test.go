package pool

import (
	"slices"
	"testing"
)

// TestFirst: tasks that others wait for start before the rest, and of nine in a row one is of the rest.
func TestFirst(t *testing.T) {
	p := New(1)
	runs, hold := make(chan struct{}), make(chan struct{})
	p.Go(run(func(Slot) { close(runs); <-hold }))
	<-runs
	var got []int // those that others wait for are below 0
	note := func(i int) Task { return run(func(Slot) { got = append(got, i) }) }
	for i := range 4 {
		p.Go(note(i + 1))
	}
	for i := range 2*mostFirst + 3 {
		p.GoFirst(note(-i - 1))
	}
	if s := p.Stats(); s.Waiting != 4+2*mostFirst+3 {
		t.Errorf("%+v while all wait", s)
	}
	close(hold)
	p.Close()
	var want []int
	add := func(from, n, step int) {
		for i := range n {
			want = append(want, from+i*step)
		}
	}
	add(-1, mostFirst, -1)
	add(1, 1, 1)
	add(-1-mostFirst, mostFirst, -1)
	add(2, 1, 1)
	add(-1-2*mostFirst, 3, -1)
	add(3, 2, 1)
	if !slices.Equal(got, want) {
		t.Errorf("started in the order %v, want %v", got, want)
	}
}

// TestFirstForEver: a chain of tasks that ask each other for ever does not keep others out, although another is always
// waited for.
func TestFirstForEver(t *testing.T) {
	p := New(1)
	over := make(chan struct{})
	var again Task
	again = run(func(Slot) {
		select {
		case <-over:
		default:
			p.GoFirst(again)
		}
	})
	for range 3 {
		p.GoFirst(again)
	}
	for range 100 {
		ran := make(chan struct{})
		p.Go(run(func(Slot) { close(ran) }))
		<-ran
	}
	close(over)
	p.Close()
	if s := p.Stats(); s != (Stats{}) {
		t.Errorf("%+v after Close", s)
	}
}
