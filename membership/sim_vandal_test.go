package membership

// vandalize removes a shard's record, as an operator with a tool may, or overwrites
// it. Nodes may hear of that, or not.
func (w *world) vandalize(shard uint32) {
	s := &w.store
	e := s.records[ShardKey(shard)]
	if e.Rev == 0 || !s.working() {
		return
	}
	w.vandalized++
	var value []byte
	if w.chance(0.3) {
		value = []byte(`{"owner":7}`)
	}
	s.write(Write{Key: e.Key, Rev: e.Rev, Value: value})
}

// pretend is what a mutant believes of records that were removed.
func (n *node) pretend() {
	if !n.w.f.broken.countsAnew {
		return
	}
	for i := range n.core.shards.all {
		if s := &n.core.shards.all[i]; s.stands == missing {
			s.stands, s.rec, s.rev = readable, Shard{}, 0
		}
	}
}
