// How long a text is in JSON

package plain

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// longer is how many bytes more a byte of ASCII takes in JSON than as it is.
var longer = func() (more [utf8.RuneSelf]uint8) {
	for c := range 0x20 {
		more[c] = 5 // \u0000
	}
	more['<'], more['>'], more['&'] = 5, 5, 5
	more['"'], more['\\'] = 1, 1
	return more
}()

// textSize is the length of a text in JSON, with its quotes, or a few bytes more; negative for a text that is not UTF-8.
func textSize(s string) int {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	size := len(s) + len(`""`)
	for len(b) >= 16 && (marks(b)|marks(b[8:]))&highs == 0 {
		b = b[16:]
	}
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			size += int(longer[c])
			i++
			for len(b)-i >= 8 && marks(b[i:])&highs == 0 {
				i += 8
			}
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return refuse
		}
		if r == '\u2028' || r == '\u2029' {
			size += 3
		}
		i += n
	}
	return size
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// marks sets the highest bit of each of the first eight bytes that is not ASCII which JSON writes as it is. It may set more:
// only none at all says something.
// Two characters that differ in one bit are found at once: a bit that is not compared is cleared first.
func marks(b []byte) uint64 {
	w := binary.LittleEndian.Uint64(b)
	control := w - ones*0x20                           // below a space
	quotes := w&^(ones*0x04) ^ ones*'"'                // '"' or '&'
	angles := w&^(ones*0x62) ^ ones*0x1c               // '<', '>' or the backslash, and '^', '|' or '~', which cost a closer look
	return control | (quotes - ones) | (angles - ones) // a borrow marks a zero byte; one above ASCII stays marked
}
