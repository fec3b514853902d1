package show

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/clstr-go/clstr/cluster"
)

// What does not add up is found.
func TestSums(t *testing.T) {
	for name, test := range map[string]struct {
		told error
		runs int
		ok   bool
	}{
		"acknowledged":                  {nil, 1, true},
		"acknowledged and lost":         {nil, 0, false},
		"acknowledged, and ran twice":   {nil, 2, false},
		"not started":                   {cluster.ErrNotOwner, 0, true},
		"not started, and ran":          {cluster.ErrNotOwner, 1, false},
		"maybe ran, and did not":        {cluster.ErrConnectionLost, 0, true},
		"maybe ran, and did":            {cluster.ErrConnectionLost, 1, true},
		"maybe ran, and did that twice": {cluster.ErrConnectionLost, 2, false},
	} {
		b := New(nil, func(_ context.Context, key string) ([]int, error) {
			if key != keyName(7) {
				return nil, nil
			}
			return slices.Repeat([]int{1}, test.runs), nil
		})
		b.ended[1] = test.told
		if err := b.sums(t.Context(), io.Discard); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
