package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// A call that is over is used again for another. Its handler may have kept its context, or its way to answer. These
// tests use both for as long as other calls come: nothing of a call may ever reach another.

// What handlers do with a message.
const (
	spareAnswers = iota
	spareFails
	sparePanics
	spareKeeps   // and answers
	spareLooks   // at all that its context has, and answers
	spareWaits   // until its caller has gone, and answers then
	spareLater   // a goroutine answers
	spareTwice   // a goroutine answers once more
	spareAsksOn  // another key, and answers
	spareBeside  // a goroutine of its own asks another key, and it answers meanwhile
	spareNests   // asks another key that only answers, and answers
	spareDeeper  // asks one that asks one
	spareNoGood  // asks one that fails
	spareBad     // asks one that panics
	spareLong    // asks one that waits until its caller has gone
	spareRing    // asks one that asks the first: a circle
	spareBack    // asks the first
	spareHows    // so many there are
	spareNobodys = -1
)

// spares is what handlers have kept.
type spares struct {
	key   func(key string, opts ...cluster.EnvelopeOption) *cluster.ScopedClient
	host  spareHost
	far   bool // calls go over NATS
	late  sync.WaitGroup
	fault atomic.Pointer[string]

	mu       sync.Mutex
	kept     []spareCall
	memories []memory // of messages and replies
	replaced int      // how many of those were kept
}

// spareCall is a call whose handler has returned.
type spareCall struct {
	id      int
	ctx     context.Context
	answer  *actor.Answer[spareGot] // nil for none
	message memory
}

func (s *spares) faulty(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.fault.CompareAndSwap(nil, &text)
}

func (s *spares) keep(c spareCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) < 64 {
		s.kept = append(s.kept, c)
	} else {
		s.kept[rand.IntN(len(s.kept))] = c
	}
}

// haunt uses what is kept, until stop.
func (s *spares) haunt(stop *atomic.Bool) {
	for !stop.Load() {
		s.mu.Lock()
		var c spareCall
		if n := len(s.kept); n > 0 {
			c = s.kept[rand.IntN(n)]
		}
		s.mu.Unlock()
		if c.ctx != nil {
			s.use(c)
		}
		s.remember(rand.IntN(64))
		runtime.Gosched()
	}
}

// useLate uses a call when it is over: its method may have yet to return, and its answer to be stored.
func (s *spares) useLate(c spareCall) {
	for c.ctx.Err() == nil || c.answer != nil && c.answer.Context().Err() == nil {
		runtime.Gosched()
	}
	if c.message.write != nil {
		c.message.write()
	}
	s.use(c)
}

func (s *spares) use(c spareCall) {
	if is := c.message.changed(); is != "" {
		s.faulty("the message of call %s", is)
	}
	if c.answer != nil {
		c.answer.Reply(gotOf(spareNobodys))
		c.answer.Fail(errors.New("of another call"))
		if c.answer.HasEffect() {
			s.faulty("call %d is open again", c.id)
		}
	}
	if c.ctx.Err() == nil {
		s.faulty("the context of call %d lives again", c.id)
	}
	select {
	case <-c.ctx.Done():
	default:
		s.faulty("the context of call %d is open again", c.id)
	}
	c.ctx.Deadline()
	if v := c.ctx.Value(spareBase{}); v != "base" {
		s.faulty("the context of call %d has lost the node's values: %v", c.id, v)
	}
	if a, ok := c.ctx.(*actor.Context); ok {
		if h, ok := a.Header("id"); ok && h != strconv.Itoa(c.id) {
			s.faulty("call %d has the header of call %s", c.id, h)
		}
		if m := a.Message(); m.Type != "" {
			if said := saidBy(c.id, m.Data); said.changed() != "" {
				s.faulty("call %d has the message %s", c.id, m.Data)
			}
		}
	}
	_, err := s.key("other").RequestRaw(c.ctx, "spareAsk", nil)
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, cluster.ErrTransportNoShardSubscriber) && !s.undone(err) { // the node has ended
		s.faulty("a call with the context of call %d: %v", c.id, err)
	}
	if err := s.key("other").Notify(context.WithoutCancel(c.ctx), spareTell(askOf(c.id, spareAnswers)), cluster.WithoutAck()); err != nil && !cluster.OutcomeOf(err).NeverRan() {
		s.faulty("a notification with the values of call %d: %v", c.id, err)
	}
}

type spareBase struct{}

// do is what a handler does; reply answers.
func (s *spares) do(ctx context.Context, id, how int, answer *actor.Answer[spareGot], message memory, reply func(err error)) {
	switch id % 3 { // what follows is done with a context made from the call's
	case 0:
		made, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		ctx = made
	case 1:
		made, cancel := context.WithCancel(ctx)
		s.late.Add(1)
		context.AfterFunc(made, func() { defer s.late.Done(); cancel() })
		ctx = made
	}
	switch how {
	case spareFails:
		reply(errors.New(strconv.Itoa(id)))
		return
	case sparePanics:
		panic("for a test")
	case spareLooks:
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		if inner.Err() == nil && ctx.Value(spareBase{}) != "base" {
			s.faulty("call %d has no values of the node", id)
		}
	case spareWaits:
		<-ctx.Done()
	case spareAsksOn:
		got, err := cluster.NewRequest[spareNow, spareGot](s.key("leaf")).Request(ctx, spareNow(saysOf(id, spareKeeps)))
		if err == nil && got.ID != id {
			s.faulty("call %d got the reply of call %d from the next key", id, got.ID)
		}
	case spareBeside:
		s.late.Go(func() {
			got, err := cluster.NewRequest[spareNow, spareGot](s.key("leaf")).Request(ctx, spareNow(saysOf(id, spareAnswers)))
			if err == nil && got.ID != id {
				s.faulty("call %d got the reply of call %d beside its turn", id, got.ID)
			}
		})
	case spareNests, spareDeeper, spareNoGood, spareBad, spareLong, spareRing, spareBack:
		if err := s.nest(ctx, id, how); err != nil {
			reply(err)
			return
		}
	case spareLater:
		s.late.Go(func() {
			runtime.Gosched()
			reply(nil)
			s.useLate(spareCall{id, ctx, answer, message})
		})
		return
	}
	reply(nil)
	if how == spareTwice {
		s.late.Go(func() {
			for range 8 {
				runtime.Gosched()
				reply(nil)
			}
		})
	}
	if how != spareAnswers {
		s.late.Go(func() {
			s.useLate(spareCall{id, ctx, answer, message})
			s.keep(spareCall{id, ctx, answer, message})
		})
	}
}

type spareKey struct {
	*spares `json:"-"`
	N       int
}

func (k *spareKey) ask(c *actor.Context, m spareAsk, a actor.Answer[spareGot]) error {
	k.changes(c, m.ID)
	k.do(c, m.ID, m.How, &a, m.kept(), func(err error) {
		if err != nil {
			a.Fail(err)
			return
		}
		a.Reply(gotOf(m.ID))
	})
	return nil
}

func (k *spareKey) now(c *actor.Context, m spareNow) (_ spareGot, err error) {
	if m.How == spareLater || m.How == spareTwice {
		m.How = spareKeeps
	}
	k.changes(c, m.ID)
	got := gotOf(m.ID) // what is kept of m is written to
	k.do(c, m.ID, m.How, nil, (*spareSays)(&m).kept(), func(e error) { err = e })
	return got, err
}

func (k *spareKey) tell(c *actor.Context, m spareTell) (err error) {
	if m.How == spareWaits || m.How == spareLong || m.How == spareLater || m.How == spareTwice {
		return nil
	}
	k.changes(c, m.ID)
	k.do(c, m.ID, m.How, nil, (*spareAsk)(&m).kept(), func(e error) { err = e })
	return err
}

// spareFunc is the same for funcs, which have no later.
func (s *spares) spareFunc(ctx context.Context, env cluster.Envelope) (data []byte, err error) {
	var id, how int
	_, _ = fmt.Sscanf(string(env.Data), "%d %d", &id, &how)
	if how == spareLater || how == spareTwice || how == spareWaits && env.Delivery != 0 {
		how = spareKeeps
	}
	if env.Type != "spareAsk" || len(env.Data) == 0 {
		return nil, nil
	}
	s.do(ctx, id, how, nil, bytesOf(id, env.Data), func(e error) { data, err = []byte(strconv.Itoa(id)), e })
	return data, err
}

// caller makes calls one after the other, and looks at each reply.
func (s *spares) caller(ids, calls int, r *rand.Rand) {
	for n := range calls {
		id, how := ids+n, r.IntN(spareBack)
		key := s.key("key-" + strconv.Itoa(id%3))
		var opts []cluster.EnvelopeOption
		if r.IntN(4) == 0 {
			opts = append(opts, cluster.WithHeader("id", strconv.Itoa(id)))
		}
		ctx, cancel := context.WithCancel(context.Background())
		if leaves := r.IntN(4) == 0 || how == spareWaits || how == spareLong; leaves {
			s.late.Go(func() {
				for range id % 16 {
					runtime.Gosched()
				}
				cancel()
			})
		}
		switch {
		case s.host == spareFuncs:
			data, err := key.RequestRaw(ctx, "spareAsk", fmt.Appendf(nil, "%d %d", id, how), opts...)
			if err == nil && string(data) != strconv.Itoa(id) {
				s.faulty("call %d has the reply of call %s", id, data)
			}
			if err == nil {
				s.keepMemory(bytesOf(id, data))
			}
		case r.IntN(4) == 0:
			if r.IntN(2) == 0 {
				key.NotifyAsync(ctx, spareTell(askOf(id, how)), opts...)
			} else {
				_ = key.Notify(ctx, s.holds(spareTell(askOf(id, how))), append(opts, cluster.WithoutAck())...)
			}
		default:
			s.request(ctx, key, id, how, r, opts)
		}
		cancel()
	}
}

// spareHas reports whether a handler that does so has an error.
func spareHas(how int) bool {
	switch how {
	case spareFails, sparePanics, spareNoGood, spareBad, spareRing:
		return true
	}
	return false
}
