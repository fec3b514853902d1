// Package link is the connection of one end to NATS: how it is, which subjects it hears, and how it goes to another server
// before its own one ends. It knows nothing of calls. What must happen to those is a [User]'s.
//
// What comes stands in one line, [Link].In. One goroutine reads that line: it hands each message to [Link].Take, and nothing
// but that goroutine calls the ears.
package link
