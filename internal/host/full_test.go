package host_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/sparse"
)

// TestFullMailboxIsNamed: the log names a key whose mailbox is full, once a minute, and says how many messages were refused.
func TestFullMailboxIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		gate := make(chan struct{})
		w := newWorldOn(t, host.Options{Kind: "account", MailboxSize: 2, Factory: making(func(string) *entity {
			return &entity{handle: func(c *host.Context) {
				<-gate
				c.Call().Reply(nil, nil)
			}}
		})}, sparse.New(slog.New(slog.NewTextHandler(&log, nil))), -1)
		calls := []*call{w.send("acc-1", "block")}
		synctest.Wait() // its turn has begun
		calls = append(calls, w.send("acc-1", "go"), w.send("acc-1", "go"))
		if got := log.take(); len(got) != 0 {
			t.Errorf("nothing was refused: %q", got)
		}
		refuse := func(n int, want string) {
			t.Helper()
			for range n {
				if err := w.Deliver(0, "acc-1", newCall()); err == nil {
					t.Fatal("a message too many was taken")
				}
			}
			switch got := log.take(); {
			case want == "" && len(got) != 0, want != "" && len(got) != 1:
				t.Errorf("%d lines: %q", len(got), got)
			case want != "" && !strings.Contains(got[0], want):
				t.Errorf("got %s, want %s", got[0], want)
			}
		}
		const line = `level=WARN msg="the mailbox of a key is full: its callers are refused, or slowed" kind=account shard=0 key=acc-1 waiting=2 refused=`
		refuse(1, line+"1")
		refuse(9, "")
		time.Sleep(time.Minute - 1)
		refuse(1, "")
		time.Sleep(time.Nanosecond)
		refuse(1, line+"11")
		close(gate)
		for _, c := range calls {
			if _, err := c.settled(t); err != nil {
				t.Error(err)
			}
		}
	})
}
