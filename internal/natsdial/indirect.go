// Where connections stay as package net makes them

//go:build !linux || race

package natsdial

import "net"

// newDirect returns c. The race detector hears of reads and writes in package net, and takes what was done before a write for
// done before the read.
func newDirect(c *net.TCPConn) (net.Conn, error) { return c, nil }
