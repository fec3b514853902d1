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
	spareDurable // the state of some turns changes, and the store takes its time, or refuses
	spareBehind  // the same, write-behind
	spareAround  // as spareDurable, with an Around
)

var spareHosts = [...]string{spareTyped: "typed", spareFuncs: "funcs", spareDurable: "durable", spareBehind: "write-behind", spareAround: "durable with Around"}

// spareQuery is spareNow for a method that promises to change nothing.
type spareQuery struct{ ID, How int }

func (k *spareKey) query(c *actor.Context, m spareQuery) (spareGot, error) {
	if m.How == spareLater || m.How == spareTwice {
		m.How = spareKeeps
	}
	var err error
	k.do(c, m.ID, m.How, nil, func(e error) { err = e })
	return spareGot{m.ID}, err
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
		opts.Around = func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
			err := next(ctx)
			in.Reply()
			return err
		}
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
	ask := []func() (*spareGot, error){
		func() (*spareGot, error) {
			return cluster.NewRequest[spareAsk, spareGot](key).Request(ctx, spareAsk{id, how}, opts...)
		},
		func() (*spareGot, error) {
			return cluster.NewRequest[spareNow, spareGot](key).Request(ctx, spareNow{id, how}, opts...)
		},
		func() (*spareGot, error) {
			return cluster.NewRequest[spareQuery, spareGot](key).Request(ctx, spareQuery{id, how}, opts...)
		},
	}[r.IntN(3)]
	times := 1
	if s.host >= spareDurable && r.IntN(4) == 0 {
		opts, times = append(opts, cluster.WithID(strconv.Itoa(id))), 2
	}
	for range times {
		got, err := ask()
		switch {
		case err == nil && got.ID != id:
			s.faulty("call %d has the reply of call %d", id, got.ID)
		case err == nil && spareHas(how):
			s.faulty("call %d has a reply, and its handler has failed", id)
		case err != nil && !spareHas(how) && cluster.OutcomeOf(err) == cluster.RanAndFailed && !s.undone(err):
			s.faulty("call %d has the error of another: %v", id, err)
		}
	}
}
