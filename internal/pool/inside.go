package pool

import (
	"bytes"
	"runtime"
	"strconv"
)

// Inside reports whether the calling goroutine is one of the pool's workers: a worker
// that waits for the pool's tasks to end waits for itself. A goroutine that a task has
// started is not one.
func (p *Pool) Inside() bool {
	id := goroutine()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.inside[id]
	return ok
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
