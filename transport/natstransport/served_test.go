package natstransport_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// few tells of two shards at most, as a node does that has very many.
type few struct{ *records }

func (f few) Owners(first uint32, most int) ([]dispatch.Owner, uint32) {
	return f.records.Owners(first, min(most, 2))
}

// TestServed: a node that starts hears in which epochs shards are owned, of all shards;
// where no node knows of any, it hears so after a second.
func TestServed(t *testing.T) {
	url := testkit.StartNATS(t)
	node, other := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	served := func(want []uint64, atLeast, atMost time.Duration) {
		t.Helper()
		began := time.Now()
		got := other.Backend().Served(patient(t))
		if took := time.Since(began); !slices.Equal(got, want) || took < atLeast || took > atMost {
			t.Errorf("epochs %v after %v, want %v", got, took, want)
		}
	}
	served(nil, time.Second, patience)
	r := &records{epochs: make([]uint64, 5)}
	sub, err := node.Backend().ServeOwners(patient(t), few{r})
	if err != nil {
		t.Fatal(err)
	}
	served(nil, time.Second, patience)
	r.mu.Lock()
	r.epochs = []uint64{0, 7, 0, 0, 9}
	r.mu.Unlock()
	r.version.Add(1)
	served([]uint64{0, 7, 0, 0, 9}, 0, patience)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := other.Backend().Served(ended); got != nil {
		t.Errorf("asked with a context that has ended: %v", got)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Error(err)
	}
}
