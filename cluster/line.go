// The goroutine of a line of the window: it sends again what was refused, in order

package cluster

import "context"

// goOn starts the goroutine of a line, which sends n first if it is not nil.
func (w *window) goOn(to address, l *line, n *note) {
	go w.run(to, l, n) // ends when the line is empty, or only posted notes are left; each has an end, until
}

func (w *window) run(to address, l *line, n *note) {
	over := false
	defer func() {
		if !over { // the metrics or an Intercept have ended the goroutine: another one goes on
			w.goOn(to, l, nil)
		}
	}()
	for {
		if n == nil {
			if n = w.first(to, l); n == nil {
				over = true
				return
			}
		}
		n.send()
		n = nil
		for again := true; ; again = false {
			post, goOn := w.sent(l, again)
			if len(post) == 0 {
				if !goOn {
					over = true
					return
				}
				break
			}
			ctx, cancel := context.WithDeadline(context.Background(), post[len(post)-1].until)
			for _, p := range post {
				p.repost(ctx)
			}
			cancel()
		}
	}
}

// first takes the first note out of a line's queue, for the line's goroutine. If there is none, it drops the line and
// returns nil, and the goroutine ends.
func (w *window) first(to address, l *line) (n *note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.before = 0
	if len(l.queue) > 0 {
		n, l.queue = l.queue[0], l.queue[1:]
		return n
	}
	w.drop(to, l)
	return nil
}

// sent is called when the first note of the queue is over. It returns the next notes of the queue that may be posted, one
// behind the other. When the goroutine has posted them, it calls sent anew, with again false: notes that were refused
// meanwhile are not posted once more, because the first of them must go by itself, with pauses. If no note may be
// posted, goOn says whether the goroutine goes on with the first of the queue, or ends.
func (w *window) sent(l *line, again bool) (post []*note, goOn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	back := l.out == 0 // all that were posted have come back
	if back {
		l.before = 0
	}
	for w.behind && len(l.queue) > 0 && l.lets() && l.queue[0].mayBePosted() && (back && again || l.queue[0].number == 0) {
		post = append(post, l.queue[0])
		w.toPost(l.queue[0])
		l.queue = l.queue[1:]
	}
	switch {
	case len(post) > 0 || l.out == 0:
		return post, true
	case len(l.queue) == 0:
		l.held = false
	}
	l.runs = false // told starts another one when the last has come back
	return nil, false
}
