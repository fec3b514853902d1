package dispatch

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/clstr-go/clstr/transport"
)

// TestRoom: copies of random sizes share no byte, have no room behind their ends, and keep at most four times their own
// memory.
func TestRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var own room
	type copied struct {
		of, is []byte
	}
	var all []copied
	wholes := map[*byte]int{} // by the first byte of what was made, its length
	start := func(left []byte, whole int) *byte {
		return (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(left)), len(left)-whole))
	}
	for range 5000 {
		of := make([]byte, r.IntN(1<<r.IntN(12)))
		for i := range of {
			of[i] = byte(r.Uint32())
		}
		before := own.left
		is := own.copy(of)
		if len(of) == 0 {
			if is != nil {
				t.Fatal("a copy of nothing is not nil")
			}
			continue
		}
		if cap(is) != len(of) {
			t.Fatalf("a copy of %d bytes has room for %d", len(of), cap(is))
		}
		whole := len(of)
		switch {
		case len(before) > 0 && unsafe.SliceData(is) == unsafe.SliceData(before): // cut from what was left
			whole = own.whole
		case own.left != nil && unsafe.SliceData(own.left) == unsafe.SliceData(before):
		case own.left != nil: // from a new one
			whole = own.whole
			wholes[start(own.left, whole)] = whole
		}
		if words := (len(of) + 7) &^ 7; whole > 4*words {
			t.Fatalf("a copy of %d bytes keeps %d", len(of), whole)
		}
		if len(own.left) == 0 && own.left != nil {
			t.Fatal("a rest of nothing keeps memory")
		}
		all = append(all, copied{bytes.Clone(of), is})
		for i := range of { // the sender goes on with its slice
			of[i] = 0
		}
	}
	if len(wholes) < 100 {
		t.Fatalf("only %d pieces were made: it shows nothing", len(wholes))
	}
	for i, c := range all {
		if !bytes.Equal(c.of, c.is) {
			t.Fatalf("copy %d has changed", i)
		}
		for j := range c.is { // and so do those that have a copy
			c.is[j] = 0
		}
	}
	for i, c := range all {
		if bytes.ContainsFunc(c.is, func(b rune) bool { return b != 0 }) {
			t.Fatalf("copy %d was written to", i)
		}
	}
}

// TestKeptPayloads: a handler that keeps its payloads of 64 bytes keeps at most four times as much in memory, whatever sizes come
// between them.
func TestKeptPayloads(t *testing.T) {
	const calls, size = 4096, 64
	kept := make([][]byte, 0, calls)
	d := NewDispatcher(transport.Limits{}, silent)
	sub, err := d.Subscribe(context.Background(), whole(&reuser{do: func(c *Call) {
		if data := c.Envelope().Data; len(data) == size {
			kept = append(kept, data)
		}
	}}))
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	small, large := make([]byte, size), make([]byte, mostRoom)
	before := heap()
	for i := range calls {
		for _, data := range [][]byte{small, large[:i%mostRoom]} {
			if _, err := sub.Do(context.Background(), transport.Envelope{Key: "k", Data: data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	after := heap()
	if len(kept) < calls {
		t.Fatalf("%d of %d were kept", len(kept), calls)
	}
	if most := uint64(4 * size * len(kept)); after > before+most {
		t.Errorf("%d payloads of %d bytes keep %d bytes in memory: at most %d allowed", len(kept), size, after-before, most)
	}
	runtime.KeepAlive(kept)
}
