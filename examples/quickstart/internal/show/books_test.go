package show

import (
	"io"
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
		b := &Books{sent: 1, ended: map[int]error{1: test.told}, runs: map[int]int{1: test.runs}}
		if err := b.sums(io.Discard); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who has not read what was written last may not write.
func TestStaleOwner(t *testing.T) {
	b := &Books{counts: map[string]int{}, runs: map[int]int{}}
	if err := b.Write("key", 0, 1); err != nil {
		t.Error(err)
	}
	if err := b.Write("key", 0, 2); err == nil {
		t.Error("no error")
	}
	if b.Read("key") != 1 || b.runs[2] != 0 {
		t.Errorf("%+v", b)
	}
}
