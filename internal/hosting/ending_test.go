package hosting

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
)

// TestFuncsHoldTheEnd: while a func handles what a stop hook has told it, the end of the node's keys is not over,
// whether the notification came before that end or after its beginning.
func TestFuncsHoldTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life := dispatch.NewLifetime(slog.New(slog.DiscardHandler), nil)
		if _, direct := Bind(Handler(host.Options{}, nil, nil), life, Setup{}); !direct {
			t.Fatal("the handler has no host")
		}
		var releases []func()
		hold := func() { releases = append(releases, life.Hosts().HoldShard(7)) }
		hold()
		life.Hosts().HoldShard(7)() // over before the end
		hold()
		began, ended := time.Now(), make(chan struct{})
		go func() { // ends with the last release
			End(life)
			close(ended)
		}()
		synctest.Wait()
		hold()
		for i, release := range releases {
			synctest.Wait()
			select {
			case <-ended:
				t.Errorf("the end is over after %d of %d releases", i, len(releases))
			default:
			}
			release()
		}
		<-ended
		if took := time.Since(began); took > 0 {
			t.Errorf("the end took %v", took)
		}
		if err := life.End(); err != nil {
			t.Error(err)
		}
	})
}
