// Store.Append: mail of clients

package natsstate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/state"
)

// Append implements [state.Store].
func (c *commits) Append(ctx context.Context, mail state.Mail) (state.Rev, error) {
	if err := mail.Check(); err != nil {
		return 0, err
	}
	m := c.message(&state.Entry{Place: state.Inbox, Shard: mail.Shard, Kind: mail.Kind, Key: mail.Key, Mail: &mail})
	if mail.ID != "" {
		// Servers tell repeats by ID in the whole stream.
		names, err := json.Marshal([][]byte{[]byte(mail.Kind), []byte(mail.Key), []byte(mail.ID)})
		if err != nil {
			return 0, err
		}
		hash := sha256.Sum256(names)
		m.Header[hdrMsgID] = []string{base64.RawURLEncoding.EncodeToString(hash[:])}
	}
	for {
		a, err := c.mux.write(ctx, m)
		if code(err) != codeDuplicateUnderWay {
			if err != nil {
				return 0, fmt.Errorf("mail for %s %.64q: %w", mail.Kind, mail.Key, verdict(err))
			}
			return state.Rev(a.Seq), nil
		}
		select { // the first one is on its way to the replicas
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}
