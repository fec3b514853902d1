// Keys of the largest size, which no store can compress

package statetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/state"
)

// longKeys: a change of a key of the largest size is stored, or refused as too large. Callers choose keys, so such a change must not hold
// up others: a change that is neither stored nor refused is tried again and again, together with theirs.
func longKeys(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	random := func(seed byte) string {
		key := make([]byte, state.MaxKey)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(key) // never fails
		return string(key)
	}
	var wg sync.WaitGroup
	for i := range 30 {
		key, long := fmt.Sprint("k", i), i%10 < 2
		c := set(token, key, 1, key)
		switch i % 10 {
		case 0:
			c = set(token, random(byte(i)), 1, key)
		case 1:
			c.Mail = []state.Mail{{Shard: 8, Kind: kind, Key: random(byte(i)), Payload: []byte("x")}}
		}
		wg.Go(func() {
			_, err := commit(t.Context(), s, c)
			if err != nil && (!long || !errors.Is(err, state.ErrTooLarge)) {
				t.Errorf("change %d: %v", i, err)
			}
			if es := read(t, s, token, at(state.Records, token, c.Key)); len(es) != 1 && err == nil || len(es) != 0 && err != nil {
				t.Errorf("change %d: %v, and %d records", i, err, len(es))
			}
		})
	}
	wg.Wait()
	if _, err := s.Append(t.Context(), state.Mail{Shard: 7, Kind: kind, Key: random(99)}); err != nil && !errors.Is(err, state.ErrTooLarge) {
		t.Errorf("mail: %v", err)
	}
}
