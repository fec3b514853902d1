// The search for what turns wait for, here and at other nodes

package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// asking is how a dispatcher learns what turns wait for, here and at other nodes. Any client can
// write turns into a request, so asking does not believe them. The owners of the shards
// know.
type asking struct {
	ctx    context.Context
	cancel context.CancelFunc
	send   askFunc // nil: there is no node to ask
	life   *Lifetime

	needs needs

	mu    sync.Mutex
	ended bool
	open  int       // searches
	bar   time.Time // none begins before: the server does not let this process ask
	asks  sync.WaitGroup
}

// askFunc asks the owner of a shard, which answers with [Sub.AnswerTurns].
type askFunc = func(ctx context.Context, shard uint32, question []byte) ([]byte, error)

const (
	searchesAtOnce = 64              // of one dispatcher; more are not begun
	searchTime     = 2 * time.Second // of one search
	barTime        = time.Minute     // until it is tried again what was not permitted
)

// reach bounds a search.
type reach struct {
	turns  int  // that it follows
	hops   int  // calls, one after the other
	drains bool // it goes on from a shard that refuses to what that waits for itself
}

func newAsking(l *Lifetime) *asking {
	a := &asking{life: l, needs: needs{drains: map[uint32]*Sub{}}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// begin runs a search on a goroutine of its own. It returns false if there are too
// many, or no node to ask.
func (a *asking) begin(search func(context.Context)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.send == nil || a.ended || a.open >= searchesAtOnce || time.Now().Before(a.bar) {
		return false
	}
	a.open++
	a.asks.Go(func() { // ends with searchTime, or with the dispatcher
		ctx, cancel := context.WithTimeout(a.ctx, searchTime)
		defer cancel()
		search(ctx)
		a.mu.Lock()
		a.open--
		a.mu.Unlock()
	})
	return true
}

// end gives up what is asked and waits for it.
func (a *asking) end() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	a.cancel()
	a.asks.Wait()
}

// found is a turn that a search has come to.
type found struct {
	*Turn
	waits []uint32 // the shards that it waits for
	from  *found   // whose call it handles, or holds up
}

// search follows what turns wait for, call by call, and returns the turns that it has found.
// It stops when until says so.
func (a *asking) search(ctx context.Context, first []*found, r reach, until func(*found) bool) map[uint64]*found {
	seen := map[uint64]*found{}
	for hops := 0; len(first) > 0 && hops <= r.hops; hops++ {
		questions := map[uint32][]*found{}
		for _, f := range first {
			if seen[f.Number] != nil || len(seen) >= r.turns {
				continue
			}
			seen[f.Number] = f
			if until(f) {
				return seen
			}
			for _, shard := range f.waits {
				if of := questions[shard]; len(of) == 0 || of[len(of)-1] != f { // once, whatever the answer said
					questions[shard] = append(of, f)
				}
			}
		}
		first = first[:0:0]
		for shard, asked := range questions {
			first = append(first, a.ask(ctx, shard, asked, r.drains)...)
		}
	}
	return seen
}

// ask asks the owner of a shard what turns wait for there. Without an answer it is
// nothing.
func (a *asking) ask(ctx context.Context, shard uint32, about []*found, drains bool) (all []*found) {
	for len(about) > 0 {
		n := min(len(about), mostAsked)
		q := question{Drains: drains}
		for _, f := range about[:n] {
			q.Numbers = append(q.Numbers, f.Number)
		}
		data, err := a.send(ctx, shard, q.encode())
		if err != nil {
			if errors.Is(err, outcome.ErrNotPermitted) {
				a.barred(err)
			}
			return all
		}
		edges, bad := parseAnswer(data, n)
		if bad != nil {
			return all
		}
		for _, e := range edges {
			all = append(all, &found{e.turn(), e.Waits, about[e.About]})
		}
		about = about[n:]
	}
	return all
}

// barred logs what follows from a right that the server does not give, and stops asking
// for a while.
func (a *asking) barred(err error) {
	a.mu.Lock()
	before := a.bar
	a.bar = time.Now().Add(barTime)
	a.mu.Unlock()
	if time.Now().After(before) {
		a.life.log.Error("not permitted to ask other nodes what turns wait for: chains of requests that cross wait until their deadlines, and a moving shard may refuse what another shard waits for", "error", err)
	}
}

// here returns turns of this process in the form with which a search begins.
func here(turns []*Turn) (first []*found) {
	for _, t := range turns {
		first = append(first, &found{t, t.Asks(), nil})
	}
	return first
}
