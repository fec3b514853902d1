package cluster_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// spareHost is what hosts the keys.
type spareHost int

const (
	spareTyped spareHost = iota
	spareFuncs
	spareSeen    // as spareTyped, with an Around
	spareDurable // the state of some turns changes, and the store takes its time, or refuses
	spareBehind  // the same, write-behind
	spareAround  // as spareDurable, with an Around
)

var spareHosts = [...]string{spareTyped: "typed", spareFuncs: "funcs", spareSeen: "typed with Around", spareDurable: "durable", spareBehind: "write-behind", spareAround: "durable with Around"}

func (k *spareKey) query(c *actor.Context, m *spareQuery) (spareFlat, error) {
	if m.How == spareLater || m.How == spareTwice {
		m.How = spareKeeps
	}
	var err error
	got := spareFlat{m.ID, spareText(m.ID)} // what is kept of m is written to
	k.do(c, m.ID, m.How, nil, (*spareSays)(m).kept(), func(e error) { err = e })
	return got, err
}

func (s *spares) define(more ...actor.Option) *actor.Definition[spareKey] {
	return actor.Define("spare", func(string) *spareKey { return &spareKey{spares: s} }, append(more,
		actor.OnRequestLater((*spareKey).ask), actor.OnRequest((*spareKey).now), actor.OnQuery((*spareKey).query), actor.OnNotify((*spareKey).tell))...)
}

func (s *spares) startDurable(t *testing.T, seed uint64, nodes cluster.NodeOptions) (end func()) {
	p, opts := actor.Persistence{}, cluster.HandlerOptions{}
	switch s.host {
	case spareBehind:
		p.Behind = time.Millisecond
	case spareAround:
		opts.Around = s.around
	}
	nodes.Kinds = map[string]cluster.ServerHandlerFunc{"spare": cluster.NewActorHandlerWithOpts(s.define(actor.Durable(p)).New, opts)}
	nodes.State = testkit.NewStateFaults(seed, testkit.StateRule{
		Refuse: 0.05, Err: state.ErrTooLarge, LoseAnswer: 0.02, DelayAnswer: 0.2, Delay: 0.2, DelayMax: time.Millisecond,
	}).Store(memstate.New())
	return startNode(t, nodes)
}

// changes changes the state of a durable key in some calls, stores it before the call is answered in some of these, and
// removes it in a few.
func (k *spareKey) changes(c *actor.Context, id int) {
	switch {
	case k.host < spareDurable || id%3 == 0:
	case id%16 == 5:
		_ = c.Delete()
	default:
		k.N++
		if id%8 == 1 {
			_ = c.Save()
		}
	}
}

// undone reports whether an error says that a durable key has started over.
func (s *spares) undone(err error) bool {
	return s.host >= spareDurable && (errors.Is(err, cluster.ErrNotStored) || errors.Is(err, cluster.ErrDeposed) || errors.Is(err, cluster.ErrDraining) || errors.Is(err, cluster.ErrBegun))
}

// request makes a typed request, and looks at its reply. One with an ID is made twice.
func (s *spares) request(ctx context.Context, key *cluster.ScopedClient, id, how int, r *rand.Rand, opts []cluster.EnvelopeOption) {
	ways := s.ways(ctx, key, id, how, opts)
	way := r.IntN(len(ways))
	times := 1
	if s.host >= spareDurable && r.IntN(4) == 0 {
		times, ways = 2, s.ways(ctx, key, id, how, append(opts, cluster.WithID(strconv.Itoa(id))))
	}
	for range times {
		got, err := ways[way]()
		switch {
		case err == nil && got != id:
			s.faulty("call %d has the reply of call %d", id, got)
		case err == nil && spareHas(how):
			s.faulty("call %d has a reply, and its handler has failed", id)
		case err != nil && !spareHas(how) && cluster.OutcomeOf(err) == cluster.RanAndFailed && !s.undone(err):
			s.faulty("call %d has the error of another: %v", id, err)
		}
	}
}
