package memstate_test

import (
	"testing"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/state/statetest"
)

func TestStore(t *testing.T) {
	statetest.Run(t, statetest.Harness{New: func(*testing.T) func(bool) state.Store {
		s := memstate.New()
		return func(adopt bool) state.Store {
			if adopt {
				s.Adopt()
			}
			return s
		}
	}})
}
