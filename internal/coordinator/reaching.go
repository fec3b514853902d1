// Which other members the node cannot reach

package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/outcome"
)

// Reacher asks other nodes.
type Reacher interface {
	// Ask asks the owner of a shard for its name, and returns what has become of the question.
	Ask(ctx context.Context, shard uint32) (name string, err error)
	// Unreachable hears how many members the node cannot reach, each time that changes. It must not block.
	Unreachable(count int)
}

const (
	// askFor is how long an answer may take.
	askFor = time.Second
	// silentFor is after how many questions without an answer, one in each renewal, a member counts as
	// unreachable, if it has renewed its own lease as often meanwhile.
	silentFor = 3
	// maxSuspects bounds the members that are asked in one renewal.
	maxSuspects = 8
)

// reaching asks a random member in each renewal, and those that have not answered before. If two members
// reach the store and not each other, that is reported, and no shard moves, because each of the two may serve
// other callers well.
type reaching struct {
	reacher Reacher // nil: nothing is asked
	log     *slog.Logger

	// Of the coordinator's goroutine.
	next  time.Time
	count int // of unreachable members, as the reacher was told

	mu       sync.Mutex
	suspects map[record.Ref]*suspect
	barred   bool // this node may not send to a member, which was told
}

// suspect is a member that has not answered.
type suspect struct {
	silent int    // how often
	since  uint64 // its renewal before the first time
	told   bool
}

// due reports whether it is time to ask, once in each renewal.
func (r *reaching) due(now time.Time, renew time.Duration) bool {
	if r.reacher == nil || now.Before(r.next) {
		return false
	}
	r.next = now.Add(renew)
	return true
}

// peers are the members to ask: a random one, and the suspects. Suspects that have gone are forgotten.
// It also tells the reacher what the last questions have changed, without a lock, because metrics are an
// application's code.
func (r *reaching) peers(core *ownership.Core, shards uint32) []ownership.Peer {
	peers := make([]ownership.Peer, 0, 1+maxSuspects)
	if p, ok := core.Peer(rand.Uint32N(shards), record.Ref{}); ok {
		peers = append(peers, p)
	}
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref := range r.suspects {
		p, ok := core.Peer(rand.Uint32N(shards), ref)
		switch {
		case !ok:
			delete(r.suspects, ref)
		case len(peers) < cap(peers) && !slices.ContainsFunc(peers, func(o ownership.Peer) bool { return o.Ref == ref }):
			peers = append(peers, p)
		}
	}
	return peers
}

// ask asks a member.
func (r *reaching) ask(ctx context.Context, p ownership.Peer) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	name, err := r.reacher.Ask(ctx, p.Shard)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return // the incarnation is over
	}
	switch {
	case err == nil && name != p.Ref.Name: // the shard has moved
	case err == nil:
		r.reached(p)
	case errors.Is(err, outcome.ErrNotPermitted): // this node's rights say nothing of the member
		r.mayNotSend(p, err)
	case silent(err):
		r.missed(p)
	case !outcome.Of(err).NeverRan() || outcome.Of(err) == outcome.NotSent: // the connection was lost
	default: // a refusal is an answer
		r.reached(p)
	}
}

// silent reports whether an error says that no node has answered. A transport returns ErrNotOwner if it finds no
// node where the records name an owner. It does so for a shard that moves too, but not again and again.
func silent(err error) bool {
	return errors.Is(err, outcome.ErrNotOwner) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, outcome.ErrEnvelopeExpired) || errors.Is(err, outcome.ErrTransportNoShardSubscriber)
}

func (r *reaching) reached(p ownership.Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.suspects[p.Ref]
	if delete(r.suspects, p.Ref); s != nil && s.told {
		r.log.Info("this node and a member reach each other again", slog.String("member", p.Ref.String()))
	}
}

func (r *reaching) missed(p ownership.Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.suspects == nil {
		r.suspects = map[record.Ref]*suspect{}
	}
	s := r.suspects[p.Ref]
	if s == nil {
		s = &suspect{since: p.Counter}
		r.suspects[p.Ref] = s
	}
	s.silent++
	if !s.told && s.silent >= silentFor && p.Counter >= s.since+silentFor-1 {
		s.told = true
		r.log.Error("this node and a member do not reach each other, although both reach the store of members: calls between them fail", slog.String("member", p.Ref.String()))
	}
}

// mayNotSend tells, once in an incarnation, that the server does not let this node send to a member. It
// may be to all of them.
func (r *reaching) mayNotSend(p ownership.Peer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.barred {
		r.barred = true
		r.log.Error("this node may not send to a member: its calls there fail until the user of this node has the right", slog.String("member", p.Ref.String()), slog.Any("error", err))
	}
}

// forget drops what is known of other members, because the node is no member any more.
func (r *reaching) forget() {
	r.mu.Lock()
	r.suspects, r.barred = nil, false
	r.mu.Unlock()
	r.tell()
}

// tell tells the reacher how many members are not reached, if that has changed.
func (r *reaching) tell() {
	if n := len(r.unreachable()); n != r.count {
		r.count = n
		r.reacher.Unreachable(n)
	}
}

// unreachable lists the members that are not reached.
func (r *reaching) unreachable() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref, s := range r.suspects {
		if s.told {
			names = append(names, ref.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
