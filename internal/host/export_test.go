package host

import pactor "github.com/asynkron/protoactor-go/actor"

// Proto is the protoactor system beneath, for tests that look into it.
func (s *System) Proto() *pactor.ActorSystem { return s.as }

// FailedKeys is how many keys a host remembers as failed.
const FailedKeys = failedKeys

// Failed returns how many keys a host remembers as failed.
func Failed(h *Host) int {
	h.backoff.mu.Lock()
	defer h.backoff.mu.Unlock()
	return h.backoff.failed.Len()
}

// Looks is how many messages were delivered, and how often a key was looked at because there were too many.
func Looks(h *Host) int64 { return h.ages.clock.Load() }
