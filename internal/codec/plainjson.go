// JSON of plain messages, which needs no general package

package codec

import (
	"bytes"
	"reflect"
	"sync"

	"github.com/clstr-go/clstr/internal/plainjson"
)

// plainJSON returns what package plainjson knows of a type, or of the type that it points to.
func plainJSON(t reflect.Type) *plainjson.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !quickly(t) { // it may have methods for the next version of encoding/json
		return nil
	}
	return plainjson.Of(t)
}

// scratch is where messages are encoded before it is known how long they are.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// mostScratch is how many bytes are kept for the next message.
const mostScratch = 64 << 10

// written encodes v, if its texts need no look at the rules.
func written(t *plainjson.Type, v any) (data []byte, ok bool) {
	b := scratch.Get().(*[]byte)
	text, ok := t.Append((*b)[:0], reflect.ValueOf(v))
	if ok {
		data = bytes.Clone(text)
	}
	if *b = text; cap(text) <= mostScratch {
		scratch.Put(b)
	}
	return data, ok
}

// unmarshalNew decodes data into what p, a pointer to a zero value, points to.
func unmarshalNew(as string, data []byte, p reflect.Value) error {
	if to := p.Elem(); as == JSON && to.Kind() != reflect.Interface {
		if t := infoOf(to.Type()).json; t != nil {
			if t.Decode(data, to) {
				return nil
			}
			to.SetZero()
		}
	}
	return unmarshalInto(as, data, p.Interface())
}
