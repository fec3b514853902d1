package handlers_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// inHall runs a test in a bubble, with typed accounts that have further options.
func inHall(t *testing.T, name string, p actor.Persistence, test func(*bank), more ...actor.Option) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(newBank(t, handlers.NewActorHandlerWithOpts(accounts(p, more...).New, handlers.Options{IdleAfter: time.Second}), hosting.Setup{}))
		})
	})
}

// TestForeignIDs in a record, or beside it, stop that key only: they could not be told from others.
func TestForeignIDs(t *testing.T) {
	for name, c := range map[string]state.Command{
		"a short ID": {ID: []byte{1}, Sum: make([]byte, 8)}, "a short sum": {ID: make([]byte, 16), Sum: []byte{1}}, "nothing": {},
	} {
		inHall(t, name, actor.Persistence{}, func(b *bank) {
			in := state.Record{Number: 1, Type: "json", State: []byte(`{"Balance":7}`)}
			beside := in
			in.Commands, beside.Spilled = []state.Command{c}, time.Now().Add(time.Hour)
			b.records["in"], b.records["beside"] = in, beside
			b.beside["beside"] = []state.Entry{{Place: state.Spilled, Kind: "account", Key: "beside", Commands: []state.Command{c}}}
			b.fails("in the record", b.sendID("id", "in", deposit{1}), outcome.ErrBadState, outcome.NotStarted)
			b.fails("beside it", b.sendID("id", "beside", deposit{1}), outcome.ErrBadState, outcome.NotStarted)
			b.want("beside it, without an ID", b.send("beside", deposit{1}), "8")
			for i := range 70 {
				b.want("another key", b.sendID(fmt.Sprint(i), "other", deposit{1}), fmt.Sprint(i+1))
			}
		})
	}
}
