package actor

import pactor "github.com/asynkron/protoactor-go/actor"

// Proto is the protoactor system beneath, for tests that look into it.
func (s *System) Proto() *pactor.ActorSystem { return s.as }
