// The end of a shard, and of all, in all hosts at once

package hosting

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/standing"
)

// endings is what a hosting knows of its own end and of its shards' ends. It is guarded by the
// hosting's mu.
type endings struct {
	moving map[uint32]*host.EndGroup // of shards that end
	final  *host.EndGroup            // of those that end together; held once for each that has not joined
	of     *standing.Together        // whose group final is
	all    *host.EndGroup            // of all, where the node ends
	early  int                       // the holds from before anything ended
	ended  bool

	stopping sync.Once
}

// joins has a host that was made while shards end, end with them. Its first key was perhaps
// woken by a stop hook. It is called with mu held: no other code knows the host.
func (s *hosting) joins(h *hosted) {
	for shard, group := range s.moving {
		h.host.BeginEnd(shard, group)
	}
	if s.all != nil {
		h.host.BeginStop(s.all)
	}
}

// EndShard ends the keys of a shard that handlers of this package host on a lifetime, in all hosts
// side by side, after the shard's calls have ended. It returns when the keys have ended, or when ctx
// ends. With lost, another node may serve the shard already.
func EndShard(ctx context.Context, life *dispatch.Lifetime, shard uint32, lost bool) error {
	s, ok := life.Hosts().(*hosting)
	if !ok {
		return nil
	}
	hosts, over := s.begin(shard, lost)
	defer over()
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { errs[i] = h.host.EndShard(ctx, shard, lost) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// begin begins to end a shard in all hosts before EndShard waits for any of them, because their stop
// hooks may ask each other. If the shard is one of the final shards, it ends with those, else by
// itself. over must be called when it has ended.
func (s *hosting) begin(shard uint32, lost bool) (hosts []*hosted, over func()) {
	s.mu.Lock()
	hosts = s.list()
	group, final := s.joining(shard)
	if !final {
		group = host.NewEndGroup(false)
	}
	if !lost {
		s.moving[shard] = group
	}
	s.mu.Unlock()
	if !lost {
		group.Hold() // the hosts begin one after the other
		for _, h := range hosts {
			h.host.BeginEnd(shard, group)
		}
		group.Release()
	}
	if final {
		group.Release()
	}
	return hosts, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.moving[shard] == group {
			delete(s.moving, shard)
		}
	}
}

// joining lets a shard join the shards that end together. If it had not joined before, joining returns
// their group, to be released. It is called with mu held.
func (s *hosting) joining(shard uint32) (group *host.EndGroup, ok bool) {
	if s.life.Together() != s.of || !s.of.Join(shard) {
		return nil, false
	}
	return s.final, true
}

// LapseShard refuses the calls that wait for the keys of a shard, and ends the contexts of their
// running hooks, because another node may own the shard by now. The lease may come back. LapseShard
// does not block.
func LapseShard(life *dispatch.Lifetime, shard uint32) {
	s, ok := life.Hosts().(*hosting)
	if !ok {
		return
	}
	s.mu.Lock()
	hosts := s.list()
	s.mu.Unlock()
	for _, h := range hosts {
		h.host.LapseShard(shard)
	}
}

// HoldShard implements dispatch.Hosts: it keeps the keys that stop hooks have woken, while a shard ends, until release
// is called. A hold from before anything ends is one of the node's end: the end of a single shard waits
// for the shard's calls by itself.
func (s *hosting) HoldShard(shard uint32) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group := s.moving[shard]
	if group == nil {
		group = s.all
	}
	if group == nil {
		s.early++
		return s.releaseEarly
	}
	group.Hold()
	return group.Release
}

// releaseEarly is the end of an early hold.
func (s *hosting) releaseEarly() {
	s.mu.Lock()
	s.early--
	group := s.all
	s.mu.Unlock()
	if group != nil {
		group.Release()
	}
}

// Final says that shards more end together on a lifetime that knows of such
// ([dispatch.Lifetime.EndTogether]).
func Final(life *dispatch.Lifetime, shards []uint32) {
	all := life.Together()
	more := all.Expect(shards)
	s := hostingOf(life)
	if s == nil {
		return
	}
	s.mu.Lock()
	if s.of != all {
		s.of, s.final = all, host.NewEndGroup(true)
	}
	group := s.final
	s.mu.Unlock()
	for range more {
		group.Hold()
	}
}

// NotServed says that one of the shards given to [Final] was never served.
func NotServed(life *dispatch.Lifetime, shard uint32) {
	s := hostingOf(life)
	if s == nil {
		life.Together().Join(shard)
		return
	}
	s.mu.Lock()
	group, ok := s.joining(shard)
	s.mu.Unlock()
	if ok {
		group.Release()
	}
}

// End stops the keys that handlers of this package host on a lifetime, as the lifetime's end
// does. Meanwhile requests of stop hooks to other keys of the node are served, as long as the
// node's subscriptions admit them.
func End(life *dispatch.Lifetime) {
	if s := hostingOf(life); s != nil {
		s.end()
	}
}

// Doing names some of the keys of a lifetime that are at a turn now, and says what each is at. It is empty if no key is at a turn.
func Doing(life *dispatch.Lifetime) string {
	s, ok := life.Hosts().(*hosting)
	if !ok {
		return ""
	}
	s.mu.Lock()
	hosts := s.list()
	s.mu.Unlock()
	var all []string
	for _, h := range hosts {
		if names := h.host.Doing(); names != "" {
			all = append(all, names)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// end stops the hosts side by side: each may wait for its stop hooks.
func (s *hosting) end() { s.stopping.Do(s.stop) }

func (s *hosting) stop() {
	group := host.NewEndGroup(true)
	s.mu.Lock()
	s.all = group
	for range s.early {
		group.Hold()
	}
	hosts := s.list()
	s.mu.Unlock()
	group.Hold() // they begin one after the other
	for _, h := range hosts {
		h.host.BeginStop(group)
	}
	group.Release()
	var wg sync.WaitGroup
	for _, h := range hosts {
		wg.Go(h.stop)
	}
	wg.Wait()
	s.mu.Lock()
	s.ended = true
	system, late := s.system, s.list()
	s.mu.Unlock()
	for _, h := range late { // made meanwhile, and ended with the others
		if !slices.Contains(hosts, h) {
			h.stop()
		}
	}
	if system != nil {
		system.Close()
	}
}

func (h *hosted) stop() {
	timeout := h.setup.StopTimeout
	if timeout <= 0 {
		timeout = DefaultStopTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := h.host.Stop(ctx); err != nil {
		h.host.Abandon()
		h.life.Report(err)
		h.life.Log().Error("keys are still running", slog.Any("error", err))
	}
}
