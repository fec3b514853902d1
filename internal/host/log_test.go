package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/sparse"
)

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take returns what was written since it was asked last.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return strings.FieldsFunc(l.buf.String(), func(r rune) bool { return r == '\n' })
}

var skipped = regexp.MustCompile(`skipped=(\d+)$`)

// standFor is how many lines were to be written in place of these.
func standFor(lines []string) (n int) {
	for _, line := range lines {
		more := 1
		if m := skipped.FindStringSubmatch(line); m != nil {
			more, _ = strconv.Atoi(m[1])
		}
		n += more
	}
	return n
}

// floods are what any number of keys can cause at once, and how many lines a key.
var floods = map[string]struct {
	message string
	each    int // lines of a key
	def     func() *actor.Definition[flood]
	end     bool // it is the end of the keys that causes it
}{
	"Every fails": {"an Every hook failed", 10, func() *actor.Definition[flood] {
		return actor.Define("flood", newFlood, actor.OnRequest((*flood).Go), actor.Every(100*time.Millisecond, (*flood).fail))
	}, false},
	"activation fails": {"activation failed", 1, func() *actor.Definition[flood] {
		return actor.Define("flood", newFlood, actor.OnRequest((*flood).Go), actor.OnActivate((*flood).fail))
	}, false},
	"activation panics": {"actor panicked", 1, func() *actor.Definition[flood] {
		return actor.Define("flood", newFlood, actor.OnRequest((*flood).Go), actor.OnActivate((*flood).panic))
	}, false},
	"Every panics": {"actor panicked", 9, func() *actor.Definition[flood] {
		return actor.Define("flood", newFlood, actor.OnRequest((*flood).Go), actor.Every(100*time.Millisecond, (*flood).panic))
	}, false},
	"passivation fails": {"passivation failed", 1, func() *actor.Definition[flood] {
		return actor.Define("flood", newFlood, actor.OnRequest((*flood).Go), actor.OnPassivate((*flood).fail))
	}, true},
	"passivation panics": {"stop hook panicked", 1, func() *actor.Definition[flood] {
		return actor.Define("flood", newFlood, actor.OnRequest((*flood).Go), actor.OnPassivate((*flood).panic))
	}, true},
	"a hook takes too long": {"a hook returned after its time limit", 5, func() *actor.Definition[flood] {
		return actor.Define("flood", newFlood, actor.OnRequest((*flood).Go), actor.Every(100*time.Millisecond, (*flood).wait), actor.HookTimeout(100*time.Millisecond))
	}, false},
}

type flood struct{}

func newFlood(string) *flood { return &flood{} }

func (*flood) Go(*actor.Context, Go) (bool, error) { return true, nil }
func (*flood) fail(*actor.Context) error           { return errors.New("no database") }
func (*flood) panic(*actor.Context) error          { panic("boom") }
func (*flood) wait(c *actor.Context) error         { <-c.Done(); return nil }

// touch makes a key, or tries to.
func (w *world) touch(key string) { w.sendData(key, "Go", []byte("{}")).wait(w) }

// TestFloodsOfKeysAreAFewLinesASecond: whatever many keys do at once, the log has a
// few lines of it a second, which name keys in the one way, and counts the rest.
func TestFloodsOfKeysAreAFewLinesASecond(t *testing.T) {
	const keys = 500
	for name, f := range floods {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lines
				w := newWorldOn(t, host.Options{Kind: "flood", Factory: f.def().New}, slog.New(slog.NewTextHandler(&log, nil)), -1)
				for i := range keys {
					w.touch(fmt.Sprint("k-", i))
				}
				if f.end {
					w.stop()
				} else {
					time.Sleep(990 * time.Millisecond)
				}
				synctest.Wait()
				first := log.take()
				if most := 3 * (sparse.PerSecond + 1); len(first) == 0 || len(first) > most {
					t.Fatalf("%d lines in the first second, want 1 to %d", len(first), most)
				}
				if !strings.Contains(first[0], f.message) || !strings.Contains(first[0], "kind=flood shard=0 key=k-") {
					t.Errorf("the first line does not say what happens, and to which key: %.200q", first[0])
				}
				w.end()
				said := 0
				for _, line := range append(first, log.take()...) {
					if strings.Contains(line, strconv.Quote(f.message)) {
						said += standFor([]string{line})
					}
				}
				if said < keys*(f.each-1) || said > keys*(f.each+1) || said < keys {
					t.Errorf("written and counted are %d lines, want about %d", said, keys*f.each)
				}
			})
		})
	}
}

// An entity's own lines are its own.
func TestAnEntitysLinesAreAllWritten(t *testing.T) {
	var log lines
	w := newWorldOn(t, host.Options{Factory: making(func(string) *entity {
		return &entity{handle: func(c *host.Context) {
			c.Log().Info("mine")
			c.Call().Reply(nil, nil)
		}}
	})}, slog.New(slog.NewTextHandler(&log, nil)), -1)
	for range 100 {
		w.want("k", "go", "")
	}
	if n := len(log.take()); n != 100 {
		t.Errorf("%d lines of 100", n)
	}
}

// Dead letters are what a sender by process id can cause.
func TestRefusedMailIsAFewLines(t *testing.T) {
	var log lines
	gate := make(chan struct{})
	w := newWorldOn(t, host.Options{Kind: "raw", MailboxSize: 1, Factory: raw(func(ctx pactor.Context) {
		if _, ok := ctx.Message().(string); ok {
			<-gate
		}
		if ctx.Sender() != nil {
			ctx.Respond([]byte("ok"))
		}
	})}, slog.New(slog.NewTextHandler(&log, nil)), -1)
	w.touch("k")
	pid := pactor.NewPID("nonhost", "clstr-1/0/k")
	for range 1000 {
		w.system.Proto().Root.Send(pid, "mail")
	}
	close(gate)
	w.end()
	if got := log.take(); len(got) == 0 || len(got) > 3*(sparse.PerSecond+1) || standFor(got) < 900 {
		t.Errorf("%d lines that stand for %d: %q", len(got), standFor(got), got)
	}
}
