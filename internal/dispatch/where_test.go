package dispatch

import (
	"strings"
	"testing"

	"github.com/clstr-go/clstr/transport"
)

func TestErrorsNameTheTarget(t *testing.T) {
	for want, e := range map[string]transport.Envelope{
		"shard 7":             {Shard: 7},
		`key "a\n" (shard 7)`: {Shard: 7, Key: "a\n"},
		`\xff" (shard 0)`:     {Key: strings.Repeat("\xff", 100)},
	} {
		if got := where(&e); !strings.HasSuffix(got, want) || len(got) > 400 {
			t.Errorf("%q, want an end in %q", got, want)
		}
	}
}
