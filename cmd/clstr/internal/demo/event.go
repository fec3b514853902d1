// What happens in a show

package demo

import (
	"fmt"
	"time"
)

// What can happen in a show.
const (
	Joins     = "joins"      // a node has started
	Serves    = "serves"     // it serves its shards, Took after its start
	Drains    = "drains"     // a node was asked to leave
	Drained   = "drained"    // it has handed over Shards within Took
	Killed    = "killed"     // a node that owned Shards has ended without a word
	TakenOver = "taken_over" // others own its shards, Took after its death
	HasLeft   = "has_left"   // a node could not be drained or killed: it was drained from outside
)

// Event is something that has happened in a show.
type Event struct {
	At     time.Duration // since its beginning
	What   string
	Node   string
	Shards int
	Took   time.Duration
	Pause  time.Duration // the longest that a shard had while it was handed over
}

func (e Event) String() string {
	switch e.What {
	case Joins:
		return e.Node + " joins"
	case Serves:
		return fmt.Sprintf("%s serves its shards, %v after its start", e.Node, e.Took.Round(time.Millisecond))
	case Drains:
		return e.Node + " is drained"
	case Drained:
		return fmt.Sprintf("%s has handed over %d shards within %v, longest pause %v", e.Node, e.Shards, e.Took.Round(time.Millisecond), e.Pause.Round(10*time.Microsecond))
	case Killed:
		return fmt.Sprintf("%s is killed without a word: requests to its %d shards wait", e.Node, e.Shards)
	case TakenOver:
		return fmt.Sprintf("others serve the shards of %s, %v after its death", e.Node, e.Took.Round(10*time.Millisecond))
	case HasLeft:
		return e.Node + " has left already"
	}
	return e.Node + " " + e.What
}
