// Calls and hooks that have not ended in time when the node leaves

package coordinator

import (
	"errors"
	"fmt"
	"sync"

	"github.com/clstr-go/clstr/outcome"
)

// CutOff is an error that says for how many keys the stop hooks were cut off. What they
// would have saved may be lost.
type CutOff int

// Error implements error.
func (n CutOff) Error() string { return fmt.Sprintf("the stop hooks of %d keys were cut off", int(n)) }

// unended has the errors about calls and hooks that have not ended in time when the node leaves.
type unended struct {
	mu   sync.Mutex
	errs []error
	cut  int // keys whose stop hooks were cut off
}

func (u *unended) add(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.errs = append(u.errs, err)
}

func (u *unended) addCut(keys int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cut += keys
}

func (u *unended) err(node string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	err := errors.Join(u.errs...)
	if u.cut > 0 {
		err = errors.Join(err, outcome.Errorf(outcome.ErrHandlerTimeout, "node %s: %v", node, CutOff(u.cut)))
	}
	return err
}
