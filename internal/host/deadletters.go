// Dead letters, without their payload in a log

package host

import pactor "github.com/asynkron/protoactor-go/actor"

// takeDeadLetters replaces protoactor's event stream with one of ours. The
// subscribers of protoactor's stream log messages, which are payload, and start a goroutine that
// outlives the system by up to a second. Ours only tells the sender
// or the watcher.
func takeDeadLetters(as *pactor.ActorSystem) {
	as.EventStream = empty(as.EventStream)
	as.EventStream.Subscribe(func(event any) {
		letter, ok := event.(*pactor.DeadLetterEvent)
		if !ok {
			return
		}
		if letter.Sender != nil {
			as.Root.Send(letter.Sender, &pactor.DeadLetterResponse{})
		}
		if watch, ok := letter.Message.(*pactor.Watch); ok {
			if watcher, ok := as.ProcessRegistry.Get(watch.Watcher); ok {
				watcher.SendSystemMessage(watch.Watcher, &pactor.Terminated{Who: letter.PID, Why: pactor.TerminatedReason_NotFound})
			}
		}
	})
}

// empty makes another of what p points to, without a name for its type.
func empty[T any](p *T) *T { return new(T) }
