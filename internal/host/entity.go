// What a host calls of an entity

package host

// Entity is an actor that its key speaks to directly, with the message's
// context in hand: what [Define] makes, and what handlers of plain funcs are.
// All methods run on the key's turn, one at a time.
type Entity interface {
	Actor
	// Activate is called before the first message. Its error is the first
	// caller's, and the entity is dropped.
	Activate(*Context) error
	// Handle handles one message. It answers through the context; what it
	// leaves unanswered may be answered later, or runs out of time. Until then the
	// key counts as busy; the host uses the call's AfterAnswer for that.
	Handle(*Context)
	// Passivate is called after the last message, not for an entity that has
	// panicked, was not activated, or that another node may own by now. Its error is
	// logged.
	Passivate(*Context) error
	// Drain is called when a drain waits for answers that the entity owes. Its error is
	// logged.
	Drain(*Context) error
	// Settings returns what the entity's definition says. It is always the same.
	Settings() Settings
}
