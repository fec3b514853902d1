// The names of keys that do not end

package actor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// named is how many keys an error names.
const named = 8

// Unended says which keys had not ended when the wait for them was over: their stop
// hooks were cut off.
type Unended struct {
	// Keys is how many there are. A key that is still at a message is left out, because the
	// message counts by itself.
	Keys int

	what string
	why  error
}

// Error names the first of the keys, and what they are at.
func (e *Unended) Error() string { return e.what }

// Unwrap returns why the wait was over.
func (e *Unended) Unwrap() error { return e.why }

// running names the keys of shards that end which have not ended.
func running(shards ...*shard) string {
	named, _ := unended(shards...)
	return named
}

// unended is running, with their number.
func unended(shards ...*shard) (string, int) {
	var keys []string
	all := 0
	for _, s := range shards {
		s.mu.RLock()
		for _, c := range s.table {
			doing := c.doing()
			if doing != atMessage {
				all++
			}
			if doing != "" {
				keys = append(keys, fmt.Sprintf("shard %d, key %.64q (%s)", s.id, c.key, doing))
			}
		}
		s.mu.RUnlock()
	}
	slices.Sort(keys)
	if more := len(keys) - named; more > 0 {
		keys = append(keys[:named], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(keys, "; "), all
}

const atMessage = "a message"

// doing is what the turn that runs is, empty if none does.
func (c *cell) doing() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch h := c.hook(); {
	case h != nil:
		return fmt.Sprintf("%s for %v", h.what, time.Since(h.began).Round(time.Millisecond))
	case c.is(scheduled):
		return atMessage
	}
	return ""
}
