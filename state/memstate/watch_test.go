package memstate_test

import (
	"testing"

	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

func TestWatch(t *testing.T) {
	testkit.CheckLeaks(t)
	watchtest.Run(t, watchtest.Harness{New: func(*testing.T) (node, client func() state.Store) {
		s := memstate.New()
		one := func() state.Store { return s }
		return one, one
	}})
}
