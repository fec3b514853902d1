// Where connections stay as package net makes them

//go:build !linux || race

package natsdial

import "net"

// newDirect returns c as it is. The race detector sees only reads and writes of package net, and takes what was done before a write
// as done before the read that gets it.
func newDirect(c *net.TCPConn) (net.Conn, error) { return c, nil }
