package howto_test

import (
	"sync"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/testkit"
)

// docs/coming-from.md: from a map with mutexes to an entity.

type bankOfMutexes struct {
	mu       sync.Mutex
	accounts map[string]*lockedAccount
}

type lockedAccount struct {
	mu      sync.Mutex
	balance int64
}

func (b *bankOfMutexes) deposit(key string, amount int64) int64 {
	b.mu.Lock()
	a := b.accounts[key]
	if a == nil {
		a = &lockedAccount{}
		b.accounts[key] = a
	}
	b.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.balance += amount
	return a.balance
}

type (
	Purse struct{ held int64 }
	Put   struct{ Amount int64 }
	Held  struct{ Amount int64 }
)

func (p *Purse) Put(_ *actor.Context, m Put) (Held, error) {
	p.held += m.Amount
	return Held{p.held}, nil
}

var purses = actor.Define("purse", func(string) *Purse { return &Purse{} }, actor.OnRequest((*Purse).Put))

func TestNoMutex(t *testing.T) {
	before := &bankOfMutexes{accounts: map[string]*lockedAccount{}}
	after := testkit.Open(t, purses)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			before.deposit("k", 2)
			if _, err := clstr.Ask[Held](t.Context(), after.Key(purses, "k"), Put{2}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	held, err := clstr.Ask[Held](t.Context(), after.Key(purses, "k"), Put{0})
	if want := before.deposit("k", 0); err != nil || held.Amount != want || want != 100 {
		t.Errorf("%v and %d, %v", held, want, err)
	}
}
