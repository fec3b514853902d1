package actor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// named is how many keys an error names.
const named = 8

// running names the keys of shards that end which have not ended.
func running(shards ...*shard) string {
	var keys []string
	for _, s := range shards {
		s.mu.RLock()
		for _, c := range s.table {
			if doing := c.doing(); doing != "" {
				keys = append(keys, fmt.Sprintf("shard %d, key %.64q (%s)", s.id, c.key, doing))
			}
		}
		s.mu.RUnlock()
	}
	slices.Sort(keys)
	if more := len(keys) - named; more > 0 {
		keys = append(keys[:named], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(keys, "; ")
}

// doing is what the turn that runs is, empty if none does.
func (c *cell) doing() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.hook != nil:
		return fmt.Sprintf("%s for %v", c.hook.what, time.Since(c.hook.began).Round(time.Millisecond))
	case c.is(scheduled):
		return "a message"
	}
	return ""
}
