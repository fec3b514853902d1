// Changes that the store never takes, although it moves its fences and answers reads

package keeper

// givenUp knows how often the store has failed with each change, and the keys whose changes were given up. Only a change that is
// surely not stored is given up: the fence has been moved since its last try, and a look has not found it. If it were tried for
// ever, it would hold up its whole shard for as long as its key lives.
type givenUp struct {
	tries map[*op]*tries
	keys  map[[2]string]struct{} // by kind and key: the store has taken no change of theirs since
}

// tries are those of one change. All have failed.
type tries struct {
	n    int
	last error
}

// mostGivenUp bounds the keys that are remembered.
const mostGivenUp = 256

// failed counts a try.
func (g *givenUp) failed(o *op, err error) {
	t := g.tries[o]
	if t == nil {
		t = new(tries)
		if g.tries == nil {
			g.tries = map[*op]*tries{}
		}
		g.tries[o] = t
	}
	t.n++
	t.last = err
}

// due reports whether a change that is not stored is to be given up: its tries have taken as long as reads wait for a store,
// or a change of its key was given up before. A write-behind entity keeps its state in memory, and sends a further change.
func (g *givenUp) due(o *op) bool {
	t := g.tries[o]
	if t == nil {
		return false
	}
	_, again := g.keys[[2]string{o.kind, o.key}]
	return again || t.n > soonTries
}

// ended forgets a change that was answered.
func (g *givenUp) ended(o *op, err error) {
	delete(g.tries, o)
	if err == nil && len(g.keys) > 0 {
		delete(g.keys, [2]string{o.kind, o.key})
	}
}
