// Which node should own which shard

package ownership

import (
	"maps"
	"slices"
)

// retarget follows the members that take shards: for each name the newest of its
// incarnations that are active. If there is none, the last to leave does.
func (c *Core) retarget() {
	m := &c.members
	targets := map[string]Ref{}
	for ref, rec := range m.all {
		if rec.State != Active {
			continue
		}
		if old, ok := targets[ref.Name]; !ok || m.all[old].Born < rec.Born {
			targets[ref.Name] = ref
		}
	}
	if m.stayer = (Ref{}); len(targets) == 0 {
		if m.stayer = c.lastToLeave(); !m.stayer.IsZero() {
			targets[m.stayer.Name] = m.stayer
		}
	}
	for name := range m.weights {
		if ref, ok := targets[name]; !ok || m.weights[name] != weightOf(m.all[ref]) {
			m.assign.Leave(name)
			delete(m.weights, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		if _, ok := m.weights[name]; !ok {
			m.weights[name] = weightOf(m.all[targets[name]])
			m.assign.JoinWeighted(name, m.weights[name])
		}
	}
	m.targets = targets
	m.wanted = 0
	for i := range c.shards.all {
		m.wanted += btoi(c.target(uint32(i)) == c.self.Ref && m.stayer.IsZero())
	}
}

// Wanted returns how many shards the node should serve, by the members that it knows
// of: none before it has joined, and when it leaves.
func (c *Core) Wanted() int { return c.members.wanted }

func weightOf(m *member) float64 {
	if m.Weight > 0 {
		return m.Weight
	}
	return 1
}

// forming reports whether the cluster is new: nobody has been in it for longer than
// shards stay. Shards then go at once to who comes.
func (c *Core) forming() bool {
	old := uint64(c.self.Timing.Residency/c.self.Timing.Renew) + 1
	for _, m := range c.members.all {
		if m.State == Active && m.Counter > old {
			return false
		}
	}
	return true
}

// target is who should own a shard; zero is nobody.
func (c *Core) target(shard uint32) Ref {
	name, ok := c.members.assign.Owner(shard)
	if !ok {
		return Ref{}
	}
	return c.members.targets[name]
}
