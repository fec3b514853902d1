// Whether the caller is one of the workers, and would wait for itself, or was started by one

package pool

import (
	"bytes"
	"runtime"
	"strconv"
)

// Inside reports whether the calling goroutine is one of the pool's workers, because a worker
// that waits for the pool's tasks to end would wait for itself. A goroutine that a task has
// started is not a worker.
func (p *Pool) Inside() bool {
	id := goroutine()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.inside[id]
	return ok
}

// StartedInside reports whether one of the pool's workers has started the calling
// goroutine. The runtime tells the direct starter only, and not whether the worker waits.
func (p *Pool) StartedInside() bool {
	id := starter()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.inside[id]
	return ok
}

// starter returns the number of the goroutine that has started the calling one; 0 for
// none. It is the last that a stack says.
func starter() uint64 {
	b := make([]byte, 4<<10)
	n := runtime.Stack(b, false)
	for n == len(b) && n < 1<<20 { // it is cut at the end, where it says so
		b = make([]byte, 2*len(b))
		n = runtime.Stack(b, false)
	}
	b = b[:n]
	const before = " in goroutine "
	at := bytes.LastIndex(b, []byte(before))
	if at < 0 {
		return 0
	}
	id, _, _ := bytes.Cut(b[at+len(before):], []byte("\n"))
	number, _ := strconv.ParseUint(string(id), 10, 64)
	return number
}

// goroutine returns the number of the calling goroutine, which the runtime tells in
// stacks only. It serves to refuse a wait that could not end, and nothing else.
func goroutine() uint64 {
	var b [32]byte
	rest := bytes.TrimPrefix(b[:runtime.Stack(b[:], false)], []byte("goroutine "))
	if end := bytes.IndexByte(rest, ' '); end > 0 {
		rest = rest[:end]
	}
	id, _ := strconv.ParseUint(string(rest), 10, 64)
	return id
}
