// Effects: what a core wants done

package keeper

import "github.com/clstr-go/clstr/state"

// effect is something that the shard does for its core. The set is closed.
type effect interface{ effect() }

type (
	// fence asks the store to move the fence; its answer goes to opened.
	fence struct {
		id   uint64
		held state.Token
	}
	// send commits a change; its answer goes to committed.
	send struct {
		op     *op
		try    uint64
		change *state.Change
	}
	// look reads whether a change is stored; its result goes to looked.
	look struct {
		op     *op
		token  state.Token
		change *state.Change
	}
	// answer tells a change's caller how it ended.
	answer struct {
		done func(state.Rev, error)
		rev  state.Rev
		err  error
	}
	// pause asks for a call of again after a while, which is longer after more failures in a row.
	pause struct{ failed int }
	// poison tells that a change was given up because the store never takes it.
	poison struct {
		kind, key string
		err       error
	}
	// gone tells that the shard has another owner.
	gone struct{ err error }
	// moved tells that readers may look again.
	moved struct{}
)

func (fence) effect()  {}
func (send) effect()   {}
func (look) effect()   {}
func (answer) effect() {}
func (pause) effect()  {}
func (poison) effect() {}
func (gone) effect()   {}
func (moved) effect()  {}
