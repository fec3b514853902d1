package memstate_test

import (
	"testing"

	"github.com/clstr-go/clstr/internal/oncetest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

func TestOnce(t *testing.T) {
	testkit.CheckLeaks(t)
	oncetest.Run(t, oncetest.Harness{New: func(*testing.T) func() state.Store {
		s := memstate.New()
		return func() state.Store { return s }
	}})
}
