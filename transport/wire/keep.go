package wire

import "bytes"

// mostKept is how many times its own bytes a receiver keeps of a packet at most.
const mostKept = 2

// own gives a range of the packet to one receiver, who may append to it and keep
// it: a copy, where it and what came with it, of the given size, are a small part
// of the packet.
func (d *Decoder) own(b []byte, size int) []byte {
	switch {
	case len(b) == 0:
		return nil
	case d.size > mostKept*size:
		return bytes.Clone(b)
	}
	return b[:len(b):len(b)]
}
