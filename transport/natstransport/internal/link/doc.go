// Package link is the connection of one end to NATS: how it is, which subjects it hears, and how it goes to another server
// before its own one ends. It knows nothing of calls: a [User] knows what must happen to them.
//
// What comes stands in one line, [Link].In. One goroutine reads that line, and hands each message to [Link].Take. Only that
// goroutine calls the ears' funcs.
package link
