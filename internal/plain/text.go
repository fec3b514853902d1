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
	for len(b) >= 8 && asItIs(binary.LittleEndian.Uint64(b)) {
		b = b[8:]
	}
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			size += int(longer[c])
			i++
			for len(b)-i >= 8 && asItIs(binary.LittleEndian.Uint64(b[i:])) {
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

// asItIs reports whether eight bytes are ASCII that JSON writes as it is. It may be false for some that are.
func asItIs(w uint64) bool {
	control := w - ones*0x20                // below a space
	quote := w ^ ones*'"'                   //
	amp := w ^ ones*'&'                     //
	slash := w ^ ones*'\\'                  //
	angle := w&^(ones*2) ^ ones*'<'         // '<' or '>'
	none := (quote - ones) | (amp - ones)   // a borrow marks a zero byte
	none |= (slash - ones) | (angle - ones) //
	return (w|(control|none)&^w)&highs == 0 // the bytes below 0x80 that are marked, or a byte above
}
