package host

import (
	"fmt"
	"log/slog"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/pool"
)

// recorder is an incarnation that notes what it is given.
type recorder struct{ got chan string }

func (r recorder) InvokeSystemMessage(m any) { r.got <- fmt.Sprintf("system %T", m) }
func (r recorder) InvokeUserMessage(m any)   { r.got <- fmt.Sprint("user ", m) }
func (r recorder) EscalateFailure(_, _ any)  {}
func (r recorder) Schedule(f func())         { f() }
func (r recorder) Throughput() int           { return 1 }
func (r recorder) expect(t *testing.T, s string) {
	t.Helper()
	if got := <-r.got; got != s {
		t.Errorf("got %q, want %q", got, s)
	}
}

// TestNothingRunsBeforeStarted: protoactor registers an incarnation and then
// posts Started. Mail that comes in between must wait.
func TestNothingRunsBeforeStarted(t *testing.T) {
	p := pool.New(-1)
	defer p.Close()
	h := NewSystem(slog.New(slog.DiscardHandler), p).NewHost(Options{})
	c := inbox{&cell{shard: &shard{host: h}, key: "k"}}
	r := recorder{make(chan string, 10)}
	c.PostUserMessage("before")
	c.RegisterHandlers(r, r)
	c.PostUserMessage("between")
	c.PostSystemMessage(&pactor.Started{})
	c.PostUserMessage("after")
	c.Start()
	r.expect(t, "system *actor.Started")
	r.expect(t, "user before")
	r.expect(t, "user between")
	r.expect(t, "user after")
}
