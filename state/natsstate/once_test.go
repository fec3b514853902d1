package natsstate_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/oncetest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// Side by side, as on one server with files, and in groups, as on three servers.
func TestOnce(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, memory := range []bool{false, true} {
		oncetest.Run(t, oncetest.Harness{New: func(t *testing.T) func() state.Store {
			o := natsstate.Options{URL: natstest.Serve(t, server.Options{}).URL(), Memory: memory}
			return func() state.Store { return open(t, o) }
		}})
	}
}
