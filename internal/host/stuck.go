// The names of keys that do not end

package host

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

// doings is what keys that have not ended are at.
type doings struct {
	keys    int
	counted int    // of them, those that are not at a message
	names   string // of the first, and what each is at
}

func doingsOf(keys []*cell) doings {
	d := doings{keys: len(keys)}
	var all []string
	for _, c := range keys {
		doing := c.mailbox.doing()
		if doing != atMessage {
			d.counted++
		}
		if doing != "" {
			all = append(all, fmt.Sprintf("shard %d, key %.64q (%s)", c.shard.id, c.key, doing))
		}
	}
	slices.Sort(all)
	if more := len(all) - named; more > 0 {
		all = append(all[:named], fmt.Sprintf("and %d more", more))
	}
	d.names = strings.Join(all, "; ")
	return d
}

const atMessage = "a message"

// doing is what the turn that runs is, empty if none does.
func (b *mailbox) doing() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch h := b.hook(); {
	case h != nil:
		return fmt.Sprintf("%s for %v", h.what, time.Since(h.began).Round(time.Millisecond))
	case b.state.turn != resting:
		return atMessage
	}
	return ""
}
