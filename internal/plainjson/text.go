// Texts: which need no escapes, and where one ends

package plainjson

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
	"unsafe"
)

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// zero has a high bit in its result if one of the bytes of w is zero.
func zero(w uint64) uint64 { return (w - ones) &^ w & highs }

// written reports whether encoding/json writes a text as it is.
func written(s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s)) // which is not changed
	far := uint64(0)
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		// A byte below a blank; \; < and >, which differ in one bit; " and &, which do too.
		if (w-0x20*ones)&^w&highs|zero(w^'\\'*ones)|zero((w|2*ones)^'>'*ones)|zero((w|4*ones)^'&'*ones) != 0 {
			return false
		}
		far |= w
	}
	for _, c := range b {
		if c < ' ' || c == '\\' || c|2 == '>' || c|4 == '&' {
			return false
		}
		far |= uint64(c)
	}
	return far&highs == 0 || utf8.ValidString(s) && !strings.Contains(s, "\u2028") && !strings.Contains(s, "\u2029")
}

// textEnd returns where the quote is that ends a text without escapes; -1 if encoding/json must read it.
func textEnd(b []byte) int {
	n := bytes.IndexByte(b, '"')
	if n < 0 || bytes.IndexByte(b[:n], '\\') >= 0 {
		return -1
	}
	text, far := b[:n], uint64(0)
	for ; len(text) >= 8; text = text[8:] {
		w := binary.LittleEndian.Uint64(text)
		if (w-0x20*ones)&^w&highs != 0 {
			return -1
		}
		far |= w
	}
	for _, c := range text {
		if c < ' ' {
			return -1
		}
		far |= uint64(c)
	}
	if far&highs != 0 && !utf8.Valid(b[:n]) {
		return -1
	}
	return n
}
