package host_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
)

// quietly is a message that does not put off a receive timeout.
type quietly struct{}

func (quietly) NotInfluenceReceiveTimeout() {}

// TestReceiveTimeoutDuringTurns: timers that fire while turns set, read and cancel
// them. The race detector sees protoactor's own timer here.
func TestReceiveTimeoutDuringTurns(t *testing.T) {
	w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
		switch ctx.Message().(type) {
		case *host.Message:
			ctx.SetReceiveTimeout(time.Millisecond)
			for end := time.Now().Add(2 * time.Millisecond); time.Now().Before(end); {
				ctx.ReceiveTimeout()
			}
			ctx.CancelReceiveTimeout()
			ctx.SetReceiveTimeout(time.Millisecond)
			ctx.Respond([]byte("hello"))
		case *pactor.ReceiveTimeout:
			ctx.SetReceiveTimeout(time.Millisecond)
		}
	})})
	for range 20 {
		w.want("k", "go", "hello")
	}
}

// TestReceiveTimeout: what protoactor promises of it.
func TestReceiveTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var timeouts atomic.Int32
		w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *host.Message:
				switch typ(ctx) {
				case "set":
					ctx.SetReceiveTimeout(time.Minute)
				case "cancel":
					ctx.CancelReceiveTimeout()
				case "too little":
					ctx.SetReceiveTimeout(time.Millisecond - 1)
				}
				time.Sleep(4 * time.Second)
				ctx.Respond([]byte(ctx.ReceiveTimeout().String()))
			case *pactor.ReceiveTimeout:
				timeouts.Add(1)
				if ctx.ReceiveTimeout() != 0 {
					t.Error("a timeout that has come is still set")
				}
			}
		})})
		proto := w.system.Proto()
		want := func(d time.Duration, n int, when string) {
			t.Helper()
			pass(d)
			synctest.Wait()
			if timeouts := int(timeouts.Load()); timeouts != n {
				t.Errorf("%d timeouts %s, want %d", timeouts, when, n)
			}
		}
		w.want("k", "set", "1m0s")
		want(59*time.Second, 0, "before a minute without a message")
		want(2*time.Second, 1, "after it")
		want(time.Hour, 1, "of one that was set once")

		w.want("k", "set", "1m0s")
		want(30*time.Second, 1, "in the middle")
		w.want("k", "other", "1m0s")
		want(59*time.Second, 1, "when a message has put it off")
		want(2*time.Second, 2, "a minute after that message's turn")

		w.want("k", "set", "1m0s")
		want(30*time.Second, 2, "in the middle")
		proto.Root.Send(proto.NewLocalPID("clstr-1/0/k"), quietly{})
		want(31*time.Second, 3, "though a message came that does not put it off")

		w.want("k", "set", "1m0s")
		w.want("k", "cancel", "0s")
		want(time.Hour, 3, "of one that was cancelled")
		w.want("k", "set", "1m0s")
		w.want("k", "too little", "0s")
		want(time.Hour, 3, "of less than a millisecond")
	})
}
