// Whether what is sent to this end arrives

package dispatch

// Hearer is implemented by backends that can tell whether what is sent to this end arrives: a
// connection may look well and carry nothing.
type Hearer interface {
	// Heard returns a number that grows with what comes to this end. known is false if the
	// backend cannot tell. It must not block.
	Heard() (n uint64, known bool)
	// AskItself sends this end something that Heard counts when it arrives. again tells that
	// what was sent before has not arrived for long, and that the connection should be made anew. It
	// must not block.
	AskItself(again bool)
	// Refused returns why requests for this end's shards can no longer come; nil
	// if they can. It must not block.
	Refused() error
}
