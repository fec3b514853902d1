package actor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestUnknownTypeNamesTheOthers: a misspelt message type is refused with the names of those that the
// entity has, and a long list is cut.
func TestUnknownTypeNamesTheOthers(t *testing.T) {
	for methods, want := range map[int]string{
		0:  `unknown message type: "Take"; the entity has no method`,
		2:  `unknown message type: "Take"; the entity has "M00", "M01"`,
		20: `"M18", "M19"`,
		23: `"M18", "M19", 3 more`,
	} {
		of := table{handlers: map[string]func(any, *host.Context){}}
		for i := range methods {
			of.handlers[fmt.Sprintf("M%02d", i)] = nil
		}
		err := of.unknown("Take")
		if !strings.HasSuffix(err.Error(), want) || err.Outcome != outcome.NotStarted || err.Code != "unknown_type" {
			t.Errorf("%d methods: %v (%v, %s), want %s", methods, err, err.Outcome, err.Code, want)
		}
	}
}
