package cluster

import "github.com/clstr-go/clstr/internal/host"

// StateOf is what keeps the state of a node's entities.
func StateOf(n *Node) host.Keeper { return n.stored.forHosts() }
