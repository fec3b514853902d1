package dispatch

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// pass lets a bubble's time pass and waits for what that sets going.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// inbox is a sender that notes its answers.
type inbox struct {
	mu      sync.Mutex
	replies []string
	errs    []*outcome.Error
}

// Reply implements [Replier].
func (i *inbox) Reply(_ *Call, data []byte, err *outcome.Error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.replies = append(i.replies, string(data))
	i.errs = append(i.errs, err)
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.errs)
}

// only returns the only answer's error; it panics unless there is one answer.
func (i *inbox) only() *outcome.Error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.errs) != 1 {
		panic("not one answer")
	}
	return i.errs[0]
}

// book is a receiver that keeps the calls, and a meter that counts them.
type book struct {
	mu    sync.Mutex
	calls []*Call

	started, finished, ran atomic.Int32
}

// Accept implements [Receiver].
func (b *book) Accept(c *Call) {
	b.mu.Lock()
	b.calls = append(b.calls, c)
	b.mu.Unlock()
}

// CallStarted implements [Meter].
func (b *book) CallStarted(*Call) any { b.started.Add(1); return nil }

// CallFinished implements [Meter].
func (b *book) CallFinished(_ *Call, started bool, _ any, _ *outcome.Error) {
	b.finished.Add(1)
	if started {
		b.ran.Add(1)
	}
}

// whole subscribes a receiver with all that it has.
func whole(r Receiver) Subscriber {
	to := Subscriber{Receiver: r}
	to.Meter, _ = r.(Meter)
	if f, ok := r.(*leasedFunc); ok {
		to.Standing = f.at
	}
	return to
}

// leased makes the standing of a shard that may move, under a lease of an hour.
func leased() (*standing.Standing, *standing.Lease) {
	l := standing.NewLease()
	l.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	return standing.New("it", 0, 1, l), l
}
