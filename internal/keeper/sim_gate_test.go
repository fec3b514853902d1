package keeper

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/clstr-go/clstr/state"
)

func (g *gate) load() {
	s, w := g.s, g.s.n.w
	if g.loaded {
		g.run()
		return
	}
	if g.loading || s.core.status != open {
		if s.core.status == lost {
			g.lost()
		}
		return
	}
	g.loading = true
	token, number, applied, ids := s.core.token, uint64(0), []string(nil), []string(nil)
	w.ask(func() (state.Rev, error) {
		r := state.Range{Place: state.Records, Shard: s.shard, Kind: "k", Key: g.key}
		es, _, err := w.store.Read(context.Background(), token, r)
		if err == nil && len(es) == 1 {
			number, applied, ids = es[0].Record.Number, strings.Fields(string(es[0].Record.State)), nil
			for _, c := range es[0].Record.Commands {
				ids = append(ids, string(c.ID))
			}
		}
		if w.broken == "staleLoad" {
			moment := w.now - time.Duration(w.rng.Int64N(int64(time.Second)))
			number, applied = 0, nil
			for _, v := range w.past[g.key] {
				if v.at <= moment {
					number, applied = v.number, slices.Clone(v.applied)
					ids = slices.Clone(applied)
				}
			}
		}
		return 0, err
	}, func(_ state.Rev, err error) {
		switch {
		case !g.loading || s.dead || s.gates[g.key] != g:
		case err != nil:
			g.loading = false
			if errors.Is(err, state.ErrDeposed) {
				s.tell(func(c *core) { c.suspect(token) })
			}
			g.refuse(g.turns, true)
			delete(s.gates, g.key)
		default:
			g.loading = false
			g.loaded, g.number, g.applied, g.ids = true, number, applied, ids
			g.run()
		}
	})
}

func (g *gate) run() {
	turns := g.turns
	g.turns = nil
	for _, op := range turns {
		if op.read {
			g.read(op)
			continue
		}
		if slices.Contains(g.ids, op.id) {
			if g.group == nil && len(g.waiting) == 0 {
				op.answer(true, false) // a repeat of what is stored
			} else {
				g.waiting = append(g.waiting, op)
			}
			continue
		}
		g.applied, g.ids = append(g.applied, op.id), append(g.ids, op.id)
		g.waiting, g.mails = append(g.waiting, op), append(g.mails, op.id)
	}
	g.flush()
}

// read is a turn that changes nothing: it is answered when what it has seen is stored.
func (g *gate) read(op *simOp) {
	w := g.s.n.w
	op.seen = slices.Clone(g.applied)
	switch {
	case !w.members.all[g.s.n.id].serves(g.s.shard):
		op.answer(false, true)
	case g.group == nil && len(g.waiting) == 0, w.broken == "readPastGate":
		op.answer(true, false)
	case len(g.waiting) == 0:
		g.group = append(g.group, op)
	default:
		g.waiting = append(g.waiting, op)
	}
}

func (g *gate) flush() {
	if g.group != nil || len(g.waiting) == 0 {
		return
	}
	c := state.Change{Kind: "k", Key: g.key, Record: &state.Record{Number: g.number + 1, State: []byte(strings.Join(g.applied, " "))}}
	for _, m := range g.mails {
		c.Mail = append(c.Mail, state.Mail{Shard: (g.s.shard + 1) % simShards, Kind: "k", Key: "mail", Payload: []byte(m)})
	}
	ids := g.ids
	if g.s.n.w.broken == "idApart" { // a turn's ID goes with the next change
		ids = g.stored
	}
	for _, id := range ids {
		c.Record.Commands = append(c.Record.Commands, state.Command{ID: []byte(id)})
	}
	g.stored = slices.Clone(g.ids)
	g.number++
	g.group, g.waiting, g.mails = g.waiting, nil, nil
	number := g.number
	g.s.core.commit(c, func(_ state.Rev, err error) {
		if g.s.n.w.broken == "deposedMeansNo" && errors.Is(err, ErrInDoubt) {
			err = state.ErrDeposed
		}
		switch {
		case g.group == nil || g.number != number:
			g.s.n.w.fault("change %d of %s is answered twice", number, g.key)
		case err != nil: // all that ran on top of it is undone
			g.refuse(g.group, state.Refused(err))
			g.refuse(append(g.waiting, g.turns...), true)
			g.group, g.waiting, g.turns, g.loading = nil, nil, nil, false
			if g.s.gates[g.key] == g {
				delete(g.s.gates, g.key)
			}
		default:
			group := g.group
			g.group = nil
			for _, op := range group {
				op.answer(true, false)
			}
			g.flush()
		}
	})
	g.s.run()
}

func (g *gate) refuse(ops []*simOp, not bool) {
	for _, op := range ops {
		op.answer(false, not)
	}
}

// lost ends a gate whose process or shard is gone: what is under way may be stored.
func (g *gate) lost() {
	if g.s.dead {
		g.refuse(g.group, false)
		g.refuse(append(g.waiting, g.turns...), true)
		g.group, g.waiting, g.turns = nil, nil, nil
		return
	}
	g.refuse(g.turns, true)
	g.turns = nil
}
