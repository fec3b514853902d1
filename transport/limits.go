// Limits, and what is refused by them

package transport

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// Limits bound what a node takes on. Every transport has them among its
// options.
type Limits struct {
	// MaxConcurrentHandlers is how many handlers run at once. Further ones wait for a
	// place, in order, so a burst is no error. MaxPending bounds how many calls of a shard
	// wait, and a node's MaxInFlight how many of all its shards. A handler that waits for a
	// request of its own, made with its context, does not count. 0 = default (100), -1 =
	// unlimited.
	MaxConcurrentHandlers int
	// MaxPending is how many calls of one shard may be accepted and not yet
	// finished; more are refused with [ErrOverloaded]. A call that a handler makes of
	// another handler of its node counts too, but is not refused.
	// 0 = default (16,384), -1 = unlimited.
	MaxPending int
	// HandlerTimeout ends the wait for a handler, counted from its start: its
	// context ends and the caller gets [ErrHandlerTimeout]. 0 = default (30 s),
	// -1 = none.
	HandlerTimeout time.Duration
}

// Validate refuses a limit below -1.
func (l Limits) Validate() error {
	switch {
	case l.MaxConcurrentHandlers < -1:
		return outcome.Errorf(outcome.ErrBadOption, "MaxConcurrentHandlers %d: -1 (unlimited), 0 (default) or more", l.MaxConcurrentHandlers)
	case l.MaxPending < -1:
		return outcome.Errorf(outcome.ErrBadOption, "MaxPending %d: -1 (unlimited), 0 (default) or more", l.MaxPending)
	case l.HandlerTimeout < -1:
		return outcome.Errorf(outcome.ErrBadOption, "HandlerTimeout %v: -1 (none), 0 (default) or a duration", l.HandlerTimeout)
	}
	return nil
}
