package cluster

import "github.com/clstr-go/clstr/internal/host"

// StateOf is what keeps the state of a node's entities.
func StateOf(n *Node) host.Keeper { return n.stored.forHosts() }

// WindowBytes is how many bytes of messages a client's window has.
const WindowBytes = windowBytes

// Posts reports whether the client's transport sends notifications without waiting.
func Posts(c *Client) bool { return c.caller.poster != nil }

// Carries reports whether a message to a key would go as a value now.
func Carries(c *Client, key string) bool { return c.Key(key).carries() }
