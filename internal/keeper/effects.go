// What a core wants done

package keeper

import "github.com/clstr-go/clstr/state"

// effect is something to be done. The set is closed.
type effect interface{ effect() }

type (
	// fence asks the store to move the fence; ends with opened.
	fence struct {
		id   uint64
		held state.Token
	}
	// send commits a change; ends with committed.
	send struct {
		id, try uint64
		change  state.Change
	}
	// look reads whether a change is stored; ends with looked.
	look struct {
		id     uint64
		token  state.Token
		change state.Change
	}
	// answer ends a change.
	answer struct {
		done func(state.Rev, error)
		rev  state.Rev
		err  error
	}
	// pause wants again called after a while, the longer the more have failed in a row.
	pause struct{ failed int }
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
func (gone) effect()   {}
func (moved) effect()  {}
