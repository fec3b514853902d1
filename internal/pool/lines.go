// Two lines of tasks: those that others wait for come first

package pool

// mostFirst is how many tasks of [Pool.GoFirst] start in a row while others wait.
const mostFirst = 8

// lines has the tasks of [Pool.Go] and those of [Pool.GoFirst].
type lines struct {
	rest, first fifo[Task]
	inARow      int // how many of first have been taken since one of rest has
}

func (l *lines) len() int { return l.rest.len() + l.first.len() }

func (l *lines) push(t Task, first bool) {
	if first {
		l.first.push(t)
	} else {
		l.rest.push(t)
	}
}

// pop takes the task that comes next, and says whether it is one of first. It returns nil if there is none.
func (l *lines) pop() (t Task, first bool) {
	if l.inARow < mostFirst || l.rest.len() == 0 {
		if t, first = l.first.pop(); first {
			l.inARow++
			return t, true
		}
	}
	l.inARow = 0
	t, _ = l.rest.pop()
	return t, false
}
