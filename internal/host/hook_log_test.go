package host_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
)

// patient is an entity with a hook that takes all of its time.
type patient struct {
	heeds bool
	err   bool
	goes  chan struct{} // it goes on until this is closed where it heeds nothing
}

func (p *patient) Go(*actor.Context, Go) (bool, error) { return true, nil }

func (p *patient) hook(c *actor.Context) error {
	<-c.Done()
	if !p.heeds {
		<-p.goes
	}
	if p.err {
		return c.Err()
	}
	return nil
}

// TestAHookAtItsLimitIsOneLine, whatever it does: fail, return, or go on. One that goes
// on has a second line when it returns.
func TestAHookAtItsLimitIsOneLine(t *testing.T) {
	const limit = 10 * time.Second
	for what, option := range map[string]actor.Option{
		"activation":    actor.OnActivate((*patient).hook),
		"passivation":   actor.OnPassivate((*patient).hook),
		"periodic work": actor.Every(time.Hour, (*patient).hook),
	} {
		for _, p := range []patient{{heeds: true, err: true}, {heeds: true}, {err: true}, {}} {
			t.Run(fmt.Sprintf("%s, heeds %v, fails %v", what, p.heeds, p.err), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log lines
					p.goes = make(chan struct{})
					def := actor.Define("patient", func(string) *patient { return &p }, actor.OnRequest((*patient).Go), option, actor.HookTimeout(limit))
					w := newWorldOn(t, host.Options{Kind: "patient", Factory: def.New}, slog.New(slog.NewTextHandler(&log, nil)), -1)
					w.touch("k")
					ended := make(chan struct{})
					go func() { // ends with the hooks
						defer close(ended)
						if what == "passivation" {
							w.stop()
						}
					}()
					if what == "periodic work" {
						time.Sleep(time.Hour)
					}
					time.Sleep(limit + 2*time.Second)
					told := log.take()
					if len(told) != 1 || !strings.Contains(told[0], "kind=patient shard=0 key=k") {
						t.Fatalf("at its limit the log has %q", told)
					}
					if failed := p.heeds && p.err; failed != strings.Contains(told[0], "failed") || failed != strings.Contains(told[0], "timeout after 10s") {
						t.Errorf("at its limit the log has %q", told)
					}
					close(p.goes)
					synctest.Wait()
					then := log.take()
					if want := map[bool]int{true: 0, false: 1}[p.heeds]; len(then) != want || want == 1 && p.err != strings.Contains(then[0], "timeout after 10s") {
						t.Errorf("when it has returned the log has %q", then)
					}
					<-ended
					p.heeds, p.err = true, false
					w.end()
				})
			})
		}
	}
}
