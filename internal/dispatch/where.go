// What errors call a message's target

package dispatch

import (
	"fmt"

	"github.com/clstr-go/clstr/transport"
)

// where names the target of an envelope in an error.
func where(e *transport.Envelope) string {
	if e.Key == "" {
		return fmt.Sprintf("shard %d", e.Shard)
	}
	return fmt.Sprintf("key %s (shard %d)", quoteKey(e.Key), e.Shard)
}

// quoteKey keeps a long or binary key readable in an error.
func quoteKey(key string) string {
	const most = 64
	if len(key) <= most {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q... (%d bytes)", key[:most], len(key))
}
