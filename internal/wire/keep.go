// What a receiver keeps of a packet: its own bytes, or a copy

package wire

import "bytes"

// What a receiver keeps of a packet at most: so many times its own bytes, and those
// that any envelope or reply has beside them, names included. Names are copied in any
// case: long ones are no reason to keep the packet as well.
const (
	mostKept  = 2
	slack     = 24
	mostNames = 64
)

// own gives a range of the packet to one receiver, who may append to it and keep
// it: a copy, where it and the names beside it are a small part of the packet. beside is
// how many bytes those names have. A field that came twice is in the packet, and is not
// the receiver's: only what is left of it counts.
func (d *Decoder) own(b []byte, beside int) []byte {
	switch {
	case len(b) == 0:
		return nil
	case d.size > mostKept*(len(b)+min(beside, mostNames)+slack):
		return bytes.Clone(b)
	}
	return b[:len(b):len(b)]
}
