// How much of a packet a receiver keeps

package wire

import "bytes"

// How much of a packet a receiver keeps at most: so many times its own bytes, and the bytes
// that any envelope or reply has beside them, names included. Names are always copied, so
// long names are no reason to keep the packet as well.
const (
	mostKept  = 2
	slack     = 24
	mostNames = 64
)

// own gives a range of the packet to one receiver, which may append to it. If the range and the names beside it are a small
// part of the packet, it is shared: the receiver must not keep it. beside is how many bytes those names have. If a field came
// twice, only the one that is left counts as the receiver's.
func (d *Decoder) own(b []byte, beside int) (data []byte, shared bool) {
	if len(b) == 0 {
		return nil, false
	}
	return b[:len(b):len(b)], d.size > mostKept*(len(b)+min(beside, mostNames)+slack)
}

// Own returns the data for a caller that keeps them. lent says that it does not.
func (r *Reply) Own(lent bool) []byte {
	if r.Shared && !lent {
		return bytes.Clone(r.Data)
	}
	return r.Data
}
