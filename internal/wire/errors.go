// Errors: trees within bounds, both ways

package wire

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/encoding/protowire"
)

// prepared returns e, or a copy with the parts that may travel: at most as many causes,
// and as deep, as transport allows, and text that is UTF-8. The text of an application's
// error may be any bytes, but a protobuf string may not.
func prepared(e *outcome.Error) *outcome.Error {
	nodes, cut := bounds.MaxErrorNodes-1, false
	e = prepare(e, 1, &nodes, &cut)
	if cut && !e.Cut {
		c := *e
		c.Cut, e = true, &c
	}
	return e
}

func prepare(e *outcome.Error, depth int, nodes *int, cut *bool) *outcome.Error {
	causes, changed := e.Causes, false
	for i, c := range e.Causes {
		if depth == bounds.MaxErrorDepth || *nodes == 0 || c == nil {
			causes, changed, *cut = causes[:i:i], true, true
			break
		}
		*nodes--
		p := prepare(c, depth+1, nodes, cut)
		if p != c {
			if !changed {
				causes, changed = append([]*outcome.Error(nil), e.Causes...), true
			}
			causes[i] = p
		}
	}
	if !changed && utf8.ValidString(e.Message) && utf8.ValidString(e.Code) {
		return e
	}
	c := *e
	c.Causes = causes
	c.Message, c.Code = strings.ToValidUTF8(c.Message, "\uFFFD"), strings.ToValidUTF8(c.Code, "\uFFFD")
	return &c
}

func sizeError(e *outcome.Error) int {
	size := sizeString(errCode, len(e.Code)) + sizeUint(errOutcome, uint64(e.Outcome)) +
		sizeString(errMessage, len(e.Message)) + sizeUint(errRetryAfter, micros(e.RetryAfter)) +
		sizeString(errDetail, len(e.Detail)) + sizeUint(errCut, flag(e.Cut))
	for _, c := range e.Causes {
		size += protowire.SizeTag(errCauses) + protowire.SizeBytes(sizeError(c))
	}
	return size
}

func appendError(b []byte, e *outcome.Error) []byte {
	b = appendString(b, errCode, e.Code)
	b = appendUint(b, errOutcome, uint64(e.Outcome))
	b = appendString(b, errMessage, e.Message)
	b = appendUint(b, errRetryAfter, micros(e.RetryAfter))
	b = appendBytes(b, errDetail, e.Detail)
	for _, c := range e.Causes {
		b = protowire.AppendTag(b, errCauses, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeError(c)))
		b = appendError(b, c)
	}
	return appendUint(b, errCut, flag(e.Cut))
}

type treeDecoder struct {
	nodes int // that may still be made
	cut   bool
}

func (t *treeDecoder) decode(data []byte, depth int) (*outcome.Error, error) {
	t.nodes--
	e := &outcome.Error{}
	for f := (fields{data: data}); ; {
		if !f.next() {
			if f.bad {
				return nil, bad("error: field %d", f.number)
			}
			return e, nil
		}
		switch {
		case f.is(errCode, protowire.BytesType):
			e.Code = text(f.bytes())
		case f.is(errOutcome, protowire.VarintType):
			e.Outcome = outcome.Outcome(min(f.uint, math.MaxUint8)) // Resolve knows the unknown
		case f.is(errMessage, protowire.BytesType):
			e.Message = text(f.bytes())
		case f.is(errRetryAfter, protowire.VarintType):
			e.RetryAfter = duration(f.uint, time.Microsecond)
		case f.is(errDetail, protowire.BytesType):
			e.Detail = append([]byte(nil), f.bytes()...) // errors are kept, and packets are large
		case f.is(errCut, protowire.VarintType):
			e.Cut = f.uint != 0
		case f.is(errCauses, protowire.BytesType):
			if depth == bounds.MaxErrorDepth || t.nodes <= 0 {
				t.cut = true
				continue
			}
			cause, err := t.decode(f.bytes(), depth+1)
			if err != nil {
				return nil, err
			}
			e.Causes = append(e.Causes, cause)
		}
	}
}
