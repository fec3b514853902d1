package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// What is refused is more than what is allowed, whatever else travels with it, and
// what is allowed fits.
func TestTooLargeNamesLess(t *testing.T) {
	const most = 8 << 10
	for name, env := range map[string]transport.Envelope{
		"bare":    {Type: "T"},
		"by key":  {Shard: 4095, Type: "Deposit", Key: "acc-1", Kind: "account", NumShards: 4096, Layout: 1 << 63, TTLMs: 30_000},
		"headers": {Headers: map[string]string{"h": strings.Repeat("v", 1000)}},
	} {
		for _, budget := range []time.Duration{0, time.Nanosecond, time.Second, time.Minute, time.Hour, 1 << 60} {
			for _, turns := range []*turn.Turn{nil, {Number: 1, Kind: "k", Key: "key", By: &turn.Turn{Shard: 1 << 31, Number: 2}}} {
				what := fmt.Sprintf("%s, %v, turns %v", name, budget, turns != nil)
				refused := 0
				for size := most + 4; refused == 0 || size > refused-2; size-- {
					env.Data = make([]byte, size)
					err := wire.Fits(&env, budget, turns, 0, most)
					fits := len(wire.AppendEnvelope(nil, &env, budget, turns, 0)) <= most-wire.Overhead
					if (err == nil) != fits {
						t.Fatalf("%s: %d bytes: %v", what, size, err)
					}
					if fits {
						refused = size + 1
						continue
					}
					if asked, allowed := sizes(t, err); asked != size || allowed >= size || allowed < size-16 && size < most-1200 {
						t.Fatalf("%s: %v", what, err)
					} else if env.Data = make([]byte, allowed); wire.Fits(&env, budget, turns, 0, most) != nil {
						t.Fatalf("%s: the allowed %d bytes do not fit", what, allowed)
					}
				}
			}
		}
	}
}

func sizes(t *testing.T, err *outcome.Error) (asked, allowed int) {
	t.Helper()
	if !errors.Is(err, outcome.ErrTooLarge) {
		t.Fatalf("%v", err)
	}
	_, text, _ := strings.Cut(err.Error(), ": ")
	if _, err := fmt.Sscanf(text, "payload of %d bytes: at most %d fit", &asked, &allowed); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return asked, allowed
}

func TestReplyFits(t *testing.T) {
	const most = 1 << 10
	long := &outcome.Error{Code: "c", Outcome: outcome.MaybeRan, Message: strings.Repeat("m", 2*most), Causes: []*outcome.Error{{Code: "d"}}}
	if err := wire.ReplyFits(1, nil, long, most); err == nil || err.Code != "c" || err.Outcome != outcome.MaybeRan || wire.ReplyFits(1, nil, err, most) != nil {
		t.Errorf("a long error: %v", err)
	}
	for size := range 2 * most {
		err := wire.ReplyFits(1, make([]byte, size), nil, most)
		if fits := len(wire.AppendReply(nil, 1, make([]byte, size), nil)) <= most-wire.Overhead; (err == nil) != fits {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if err != nil && (!errors.Is(err, outcome.ErrReplyTooLarge) || err.Outcome != outcome.RanAndFailed) {
			t.Fatalf("%v", err)
		}
	}
}
