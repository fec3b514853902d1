package keeper

import (
	"context"
	"slices"
	"time"

	"github.com/clstr-go/clstr/state"
)

// node is a process: its slots are the shards that it believes to own.
type node struct {
	w     *world
	id    int
	slots map[uint32]*slot
}

// slot drives one core, as a shard does.
type slot struct {
	n     *node
	shard uint32
	core  *core
	gates map[string]*gate
	dead  bool // its process has crashed

	gone func() // what hears that the store has another owner; nil for nobody
}

// busy reports whether something of the shard waits or is under way.
func (s *slot) busy() bool {
	for _, g := range s.gates {
		if g.loading || len(g.turns)+len(g.waiting)+len(g.group) > 0 {
			return true
		}
	}
	return s.core.ops.n > 0
}

func (n *node) open(shard uint32) { n.openAs(shard, n.w.owner(shard)) }

func (n *node) openAs(shard uint32, o state.Owner) {
	if old := n.slots[shard]; old != nil {
		old.drop()
	}
	s := &slot{n: n, shard: shard, core: newCore(shard, o), gates: map[string]*gate{}}
	n.slots[shard] = s
	s.run()
}

// crash loses all memory; what is under way goes on. The process comes again.
func (n *node) crash() {
	for _, shard := range sorted(n.slots) {
		s := n.slots[shard]
		s.dead = true
		for _, key := range sorted(s.gates) {
			s.gates[key].lost()
		}
		delete(n.slots, shard)
		if n.w.members == nil && n.w.shards[shard].node == n.id {
			n.w.after(time.Second, func() {
				if n.w.shards[shard].node == n.id && n.slots[shard] == nil {
					n.w.shards[shard].epoch++
					n.open(shard)
				}
			})
		}
	}
}

func (s *slot) drop() { s.tell((*core).drop) }

func (s *slot) tell(what func(*core)) {
	if !s.dead {
		what(s.core)
		s.run()
	}
}

func (s *slot) run() {
	for es := s.core.take(); len(es) > 0; es = s.core.take() {
		for _, e := range es {
			s.carryOut(e)
		}
	}
}

func (s *slot) carryOut(e effect) {
	w, ctx := s.n.w, context.Background()
	switch e := e.(type) {
	case fence:
		held, token := e.held, state.Token{}
		if w.broken == "noRefence" && held != token {
			w.after(0, func() { s.tell(func(c *core) { c.opened(e.id, held, nil) }) })
			return
		}
		if w.broken == "refenceByDeposed" {
			held = token
		}
		w.ask(func() (_ state.Rev, err error) {
			token, err = w.store.Open(ctx, s.shard, s.core.owner, held)
			if err == nil {
				w.tokens[s.shard] = token
			}
			return 0, err
		}, func(_ state.Rev, err error) { s.tell(func(c *core) { c.opened(e.id, token, err) }) })
	case send:
		w.ask(func() (state.Rev, error) { return s.commit(*e.change) }, func(rev state.Rev, err error) {
			s.tell(func(c *core) {
				try := e.try
				if w.broken == "lateAnswers" {
					try = e.op.try
				}
				c.committed(e.op, try, rev, err)
			})
		})
	case look:
		there, at := false, state.Rev(0)
		w.ask(func() (state.Rev, error) {
			es, _, err := w.store.Read(ctx, e.token, state.Range{Place: state.Records, Shard: s.shard, Kind: "k", Key: e.change.Key})
			if err == nil && len(es) == 1 {
				there, at = es[0].Record.Number >= e.change.Number(), es[0].Rev
			}
			return 0, err
		}, func(_ state.Rev, err error) {
			verdict := there
			switch w.broken {
			case "guessNo":
				verdict = false
			case "guessYes":
				verdict = true
			}
			s.tell(func(c *core) { c.looked(e.op, e.token, verdict, at, err) })
		})
	case answer:
		e.done(e.rev, e.err)
	case pause:
		w.after(firstPause+time.Duration(w.rng.Int64N(int64(firstPause))), func() { s.tell((*core).again) })
	case moved:
		for _, key := range sorted(s.gates) {
			if g := s.gates[key]; g != nil {
				g.load()
			}
		}
	case gone:
		if s.gone != nil {
			s.gone()
		}
	}
}

// commit is what happens in the store.
func (s *slot) commit(c state.Change) (rev state.Rev, err error) {
	w := s.n.w
	if !w.calm && w.chance(0.01) {
		return 0, state.ErrFull
	}
	if w.broken == "noFence" {
		c.Token = w.tokens[s.shard]
	}
	if w.broken == "splitChange" {
		mails := c.Mail
		c.Mail = nil
		defer func() {
			for _, m := range mails {
				if err == nil {
					w.ask(func() (state.Rev, error) { return w.store.Append(context.Background(), m) }, func(state.Rev, error) {})
				}
			}
		}()
	}
	w.store.Commit(c, func(r state.Rev, e error) { rev, err = r, e })
	return rev, err
}

// simOp is a command with an ID: a client tries it until it knows, or gives up.
type simOp struct {
	w               *world
	id, key         string
	shard           uint32
	tries           int
	ok, maybe, open bool

	tool  bool     // it comes from outside: the owner's memory knows it after its next load only
	read  bool     // it changes nothing, and is answered with the state:
	floor []string // with what was acknowledged before it began,
	seen  []string // and nothing that is not stored
}

// client begins commands until it is calm.
func (w *world) client() {
	if w.calm {
		return
	}
	shard := uint32(w.rng.IntN(simShards))
	op := &simOp{w: w, id: "op" + time.Duration(len(w.ops)).String(), key: w.key(shard, w.rng.IntN(simKeys)), shard: shard}
	if op.read = w.members != nil && w.chance(0.3); op.read {
		for _, other := range w.ops {
			if other.ok && !other.read && !other.tool && other.key == op.key {
				op.floor = append(op.floor, other.id)
			}
		}
	}
	w.ops = append(w.ops, op)
	op.send()
	w.after(time.Duration(w.rng.Int64N(int64(200*time.Millisecond))), w.client)
}

// send asks the owner, or another node that may believe to be it.
func (op *simOp) send() {
	w := op.w
	op.tries++
	op.open = true
	n := w.nodes[w.shards[op.shard].node]
	if w.chance(0.3) {
		n = w.nodes[w.rng.IntN(simNodes)]
	}
	s := n.slots[op.shard]
	if s == nil || s.core.status == lost || w.members != nil && !w.members.all[n.id].serves(op.shard) {
		op.answer(false, true)
		return
	}
	if w.members != nil && !w.calm && w.chance(0.05) { // the process stands still when it has looked at its lease
		w.after(w.upTo(10*time.Second), func() { op.begin(s) })
		return
	}
	op.begin(s)
}

// begin puts the command into the mailbox of its key.
func (op *simOp) begin(s *slot) {
	if s.dead || s.core.status == lost {
		op.answer(false, true)
		return
	}
	g := s.gates[op.key]
	if g == nil {
		g = &gate{s: s, key: op.key}
		s.gates[op.key] = g
	}
	g.turns = append(g.turns, op)
	g.load()
}

// answer is what its client hears: stored, surely not, or neither.
func (op *simOp) answer(ok, not bool) {
	op.open = false
	if op.read && ok {
		op.check()
	}
	op.ok = op.ok || ok
	op.maybe = op.maybe || !ok && !not
	if again := op.tries < 6 && op.w.chance(0.8); again && !op.ok || ok && op.w.chance(0.1) && op.tries < 6 {
		op.w.after(time.Duration(op.w.rng.Int64N(int64(time.Second))), op.send)
	}
}

// check looks at the answer of a read.
func (op *simOp) check() {
	for _, id := range op.floor {
		if !slices.Contains(op.seen, id) {
			op.w.fault("a read of %s does not show %s, which was acknowledged before", op.key, id)
		}
	}
	var stored []string
	if p := op.w.past[op.key]; len(p) > 0 {
		stored = p[len(p)-1].applied
	}
	for _, id := range op.seen {
		if !slices.Contains(stored, id) {
			op.w.fault("a read of %s shows %s, which is not stored", op.key, id)
		}
	}
}

// gate is a key: turns go on while a change is under way, and what waits goes together.
type gate struct {
	s       *slot
	key     string
	loaded  bool
	loading bool
	turns   []*simOp // that wait for the state
	number  uint64
	applied []string // the state
	ids     []string // of the commands that it knows
	stored  []string // those that the last change has stored
	waiting []*simOp // turns that have run since the change under way
	mails   []string // of these
	group   []*simOp // of the change under way; nil: none is
}
